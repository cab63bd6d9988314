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
    private var line: QueueLine?
    private var hasEnded = false
    private var wroteSomething = false
    let isHunter = false
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
            guard !consumer.hasEnded else { return }
            switch result {
            case .failure(let error): consumer.session.refuse(error)
            case .success(let id):
                let dispatcher = consumer.session.core.dispatcher
                let line = dispatcher.line(id, name: name)
                consumer.line = line
                dispatcher.add(consumer, to: line)
            }
        }
    }

    /// The subscription, or its connection, is gone.
    func end() {
        hasEnded = true
        session.core.dispatcher.remove(self)
    }

    /// It may have room again.
    func touch() {
        if let line { session.core.dispatcher.touch(line) }
    }

    func room(in line: QueueLine) -> Int {
        guard !session.isClosing, let context = session.context, context.channel.isWritable else { return 0 }
        return session.machine.room(of: serial)
    }

    func takes(_ source: Source) -> Bool { true }
    var isIdle: Bool { true }

    func take(_ item: ActiveItem) {
        let id = "\(item.row.id)"
        guard let headers = session.machine.deliver(item.row.id, messageID: id, to: serial) else {
            session.core.dispatcher.returnPlain([item])
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
            session.claimed[item.row.id] = item
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
        batch.removed.append(item.row.id)
        endClaim(item, succeeded: true)
    }

    /// Items of plain queues go back to their places.
    func returnPlain(_ items: [ActiveItem]) {
        // The last one first: each then goes in at the front, which costs nothing.
        for item in items.sorted(by: { $1.isBefore($0) }) {
            endClaim(item, succeeded: false)
            item.source.putBack(item)
            touch(item.source)
        }
    }
}
