// SPDX-License-Identifier: Apache-2.0
import DequeModule
import NIOCore
import QueueStore
import Stomp

/// One subscription's taking from a plain STOMP queue.
///
/// Confined to the broker's loop.
final class SubscriptionConsumer: Consumer {
    private unowned let session: StompSession
    private let serial: Int
    /// As the client wrote it.
    private let destination: String
    private let queue: String
    /// Sent and not settled, by id.
    var claimed: [Int64: ActiveItem] = [:]
    private var line: QueueLine?
    private var hasEnded = false
    private var wroteSomething = false
    var isHunting = false

    init(_ session: StompSession, serial: Int, destination: String, queue: String) {
        self.session = session
        self.serial = serial
        self.destination = destination
        self.queue = queue
    }

    func begin() {
        let core = session.core
        let name = queue
        let me = NIOLoopBound(self, eventLoop: core.loop)
        core.store.write { (transaction) throws(QueueStoreError) in
            try transaction.nameID(name)
        } completion: { result in
            let consumer = me.value
            guard case .success(let id) = result, !consumer.hasEnded else { return }
            let dispatcher = consumer.session.core.dispatcher
            let line = dispatcher.line(id, name: name)
            consumer.line = line
            dispatcher.add(consumer, to: line)
        }
    }

    /// The subscription, or its connection, is gone: what isn't settled goes back in order.
    func end() {
        hasEnded = true
        let dispatcher = session.core.dispatcher
        dispatcher.remove(self)
        for item in claimed.values.sorted(by: { $0.row.id > $1.row.id }) { dispatcher.returnPlain(item) }
        claimed = [:]
    }

    func touch() {
        guard let line else { return }
        for source in line.sources.values where !source.isDry { session.core.dispatcher.touch(source) }
    }

    func room(in line: QueueLine) -> Int {
        guard let context = session.context, context.channel.isWritable else { return 0 }
        return session.machine[serial: serial]?.room ?? 0
    }

    func takes(site: NameID) -> Bool { true }
    var isIdle: Bool { claimed.isEmpty }

    func take(_ item: ActiveItem) {
        let id = "\(item.row.id)"
        guard let headers = session.machine.deliver(item.row.id, messageID: id, to: serial) else {
            session.core.dispatcher.returnPlain(item)
            return
        }
        session.write { encoder, buffer in
            encoder.start(.message, into: &buffer)
            if let subscription = headers.subscription { encoder.header(.subscription, subscription, into: &buffer) }
            encoder.header(.messageID, id, into: &buffer)
            encoder.header(.destination, destination, into: &buffer)
            if let ack = headers.ack { encoder.header("ack", ack, into: &buffer) }
            let isRedelivered = item.deliveries > 1 || item.mayBeDuplicate
            encoder.header("redelivered", isRedelivered ? "true" : "false", into: &buffer)
            encoder.header("delivery-count", item.deliveries, into: &buffer)
            encoder.stored(ByteBuffer(bytes: item.row.headers), into: &buffer)
            encoder.finish(.message, body: ByteBuffer(bytes: item.row.payload), into: &buffer)
        }
        wroteSomething = true
        if headers.isSettled {
            session.core.dispatcher.removePlain(item)
        } else {
            claimed[item.row.id] = item
        }
    }

    func flush() {
        guard wroteSomething else { return }
        wroteSomething = false
        session.context?.flush()
    }
}

extension Dispatcher {
    /// A plain queue's item was acknowledged.
    func removePlain(_ item: ActiveItem) {
        ended(item)
        batch.removed.append(item.row.id)
    }

    /// A plain queue's item goes back to its place.
    func returnPlain(_ item: ActiveItem) {
        ended(item)
        item.source.returned.prepend(item)
        touch(item.source)
    }
}
