// SPDX-License-Identifier: Apache-2.0
import Control
import Logging
import NIOCore
import QueueStore
import Stomp

/// One STOMP connection: what its state machine decides is done here.
///
/// Confined to the broker's loop.
final class StompSession: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Octets of one connection's items that aren't on disk yet, past which it is read no further.
    private static let highWater = 4 << 20
    private static let lingerAfterError = TimeAmount.seconds(2)

    let core: BrokerCore
    private(set) var context: ChannelHandlerContext?
    var machine: ServerSessionStateMachine
    private var decoder: StompFrameDecoder
    private(set) var encoder = StompFrameEncoder(version: .v1_0)
    private var receipts = ReceiptOrder()
    private var heartBeat: HeartBeat?
    private var heartBeatTask: Scheduled<Void>?
    private var consumers: [Int: SubscriptionConsumer] = [:]
    private var burst: [(item: Incoming, ticket: ReceiptOrder.Ticket)] = []
    private var unstoredBytes = 0
    private var wantsRead = false
    private var isClosing = false
    private var isThrottled = false

    init(_ core: BrokerCore, _ configuration: ServerSessionConfiguration, id: String, limits: StompLimits) {
        self.core = core
        machine = ServerSessionStateMachine(configuration: configuration, session: id)
        decoder = StompFrameDecoder(limits: limits)
    }

    // MARK: Channel

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        heartBeat?.received(at: .now())
        guard !isClosing else { return }
        decoder.append(unwrapInboundIn(data))
        do throws(StompError) {
            while !isClosing, let frame = try decoder.next() {
                perform(machine.receive(frame))
                decoder.version = machine.version
            }
        } catch {
            perform(machine.fail(error, receipt: decoder.failedReceipt))
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        storeBurst()
        context.flush()
        context.fireChannelReadComplete()
    }

    /// Reads on only while what was taken in is bounded: the rest waits in the kernel, and slows the producer by TCP.
    func read(context: ChannelHandlerContext) {
        if isThrottled {
            wantsRead = true
        } else {
            context.read()
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { for consumer in consumers.values { consumer.touch() } }
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelInactive(context: ChannelHandlerContext) {
        storeBurst()
        self.context = nil
        heartBeatTask?.cancel()
        _ = machine.end()
        for consumer in consumers.values { consumer.end() }
        consumers = [:]
        context.fireChannelInactive()
    }

    // MARK: Actions

    private func perform(_ action: ServerSessionAction) {
        switch action {
        case .connected(let connected):
            encoder = StompFrameEncoder(version: connected.version)
            write { _, buffer in StompFrameEncoder.connected(connected, into: &buffer) }
            heartBeat = HeartBeat(local: connected.serverHeartBeat, remote: connected.clientHeartBeat, now: .now())
            scheduleHeartBeat()
        case .send(let frame, let receipt): send(frame, receipt: receipt)
        case .subscribe(let subscription, _, let receipt):
            subscribe(subscription)
            note(receipt)
        case .unsubscribe(let subscription, _, let receipt):
            core.topics.remove(self, serial: subscription.serial, topic: subscription.destination)
            consumers.removeValue(forKey: subscription.serial)?.end()
            note(receipt)
        case .settle(let settlement, let receipt):
            settle(settlement)
            whenDurable(receipts.begin(receipt: receipt))
        case .commit(let sends, let settlement, let receipt):
            commit(sends, settlement, receipts.begin(receipt: receipt))
        case .abort(let givenBack, let receipt):
            settle(Settlement(nacks: givenBack))
            note(receipt)
        case .noted(let receipt): note(receipt)
        case .unknownDelivery(let text, let receipt):
            core.log.info("an old client acknowledged what isn't its own; ignored", metadata: ["id": "\(text)"])
            note(receipt)
        case .disconnect(let receipt):
            storeBurst()
            note(receipt)
            isClosing = true
            closeWhenAnswered()
        case .fail(let error, let receipt): fail(error, receipt: receipt)
        }
    }

    private func fail(_ error: StompError, receipt: String?) {
        storeBurst()
        isClosing = true
        core.log.info("a STOMP connection was closed", metadata: ["error": "\(error)"])
        write { encoder, buffer in encoder.error(error, receipt: receipt, into: &buffer) }
        guard let context else { return }
        // The client gets to read its ERROR: half a close first, then the end.
        context.flush()
        context.close(mode: .output, promise: nil)
        let channel = context.channel
        core.loop.scheduleTask(in: Self.lingerAfterError) { channel.close(promise: nil) }
    }

    private func note(_ receipt: String?) {
        // In its place behind the SENDs of the same burst.
        let ticket = receipts.begin(receipt: receipt)
        receipts.complete(ticket)
        sendReceipts()
    }

    private func sendReceipts() {
        while let receipt = receipts.next() { write { $0.receipt(receipt, into: &$1) } }
        closeWhenAnswered()
    }

    private func closeWhenAnswered() {
        guard isClosing, receipts.count == 0, let context else { return }
        context.flush()
        context.close(mode: .output, promise: nil)
        let channel = context.channel
        core.loop.scheduleTask(in: Self.lingerAfterError) { channel.close(promise: nil) }
    }

    // MARK: SEND

    private func send(_ frame: StompFrame, receipt: String?) {
        do throws(StompError) {
            switch try core.ingest(frame) {
            case .topic(let topic):
                core.control(frame, topic: topic)
                core.topics.publish(frame, topic: topic)
                note(receipt)
            case .item(let item):
                burst.append((item, receipts.begin(receipt: receipt)))
                unstoredBytes += item.payload.count + 256
            }
        } catch {
            perform(machine.fail(error, receipt: receipt))
        }
    }

    /// What came in one read is stored together.
    private func storeBurst() {
        guard !burst.isEmpty else { return }
        let sent = burst
        burst = []
        let bytes = sent.reduce(0) { $0 + $1.item.payload.count + 256 }
        if unstoredBytes > Self.highWater || core.isFull { isThrottled = true }
        let tickets = sent.map(\.ticket)
        let me = NIOLoopBound(self, eventLoop: core.loop)
        core.enqueue(sent.map(\.item)) { error in me.value.stored(tickets, bytes, error) }
    }

    private func stored(_ tickets: [ReceiptOrder.Ticket], _ bytes: Int, _ error: QueueStoreError?) {
        unstoredBytes -= bytes
        if let error {
            refuse(error)
        } else {
            for ticket in tickets { receipts.complete(ticket) }
            sendReceipts()
        }
        goOn()
        context?.flush()
    }

    private func refuse(_ error: QueueStoreError) {
        guard !isClosing else { return }
        perform(machine.fail(.refused(message: error.kind, detail: "\(error)"), receipt: nil))
    }

    private func goOn() {
        guard isThrottled, unstoredBytes < Self.highWater / 2 else { return }
        if core.isFull {
            let me = NIOLoopBound(self, eventLoop: core.loop)
            core.whenRoom { me.value.goOn() }
            return
        }
        isThrottled = false
        if wantsRead {
            wantsRead = false
            context?.read()
        }
    }

    private func commit(_ sends: [StompFrame], _ settlement: Settlement, _ ticket: ReceiptOrder.Ticket) {
        storeBurst()
        var items: [Incoming] = []
        for frame in sends {
            do throws(StompError) {
                switch try core.ingest(frame) {
                case .item(let item): items.append(item)
                case .topic(let topic):
                    core.control(frame, topic: topic)
                    core.topics.publish(frame, topic: topic)
                }
            } catch {
                perform(machine.fail(error, receipt: nil))
                return
            }
        }
        settle(Settlement(nacks: settlement.nacks))
        let acked = settlement.acks.compactMap(take)
        for item in acked { core.dispatcher.ended(item) }
        let bytes = items.reduce(0) { $0 + $1.payload.count + 256 }
        unstoredBytes += bytes
        let me = NIOLoopBound(self, eventLoop: core.loop)
        // One transaction: the sends are there and the acknowledged are gone, or neither.
        core.enqueue(items, removing: acked.map(\.row.id)) { error in me.value.stored([ticket], bytes, error) }
    }

    // MARK: Subscriptions

    private func subscribe(_ subscription: Subscription) {
        let destination = subscription.destination
        if destination.hasPrefix("/topic/") {
            core.topics.add(self, serial: subscription.serial, topic: destination)
            return
        }
        let queue = destination.hasPrefix("/") ? destination : "/queue/" + destination
        let consumer = SubscriptionConsumer(
            self,
            serial: subscription.serial,
            destination: destination,
            queue: queue
        )
        consumers[subscription.serial] = consumer
        consumer.begin()
    }

    private func take(_ token: Int64) -> ActiveItem? {
        for consumer in consumers.values {
            if let item = consumer.claimed.removeValue(forKey: token) { return item }
        }
        return nil
    }

    private func settle(_ settlement: Settlement) {
        for item in settlement.acks.compactMap(take) { core.dispatcher.removePlain(item) }
        // The later ones first: each goes to the front, so that the order is as it was.
        for item in settlement.nacks.compactMap(take).reversed() { core.dispatcher.returnPlain(item) }
        for consumer in consumers.values { consumer.touch() }
    }

    private func whenDurable(_ ticket: ReceiptOrder.Ticket) {
        core.dispatcher.flushWrites()
        let me = NIOLoopBound(self, eventLoop: core.loop)
        core.store.write { (_) throws(QueueStoreError) in
        } completion: { result in
            if case .failure(let error) = result {
                me.value.refuse(error)
            } else {
                me.value.receipts.complete(ticket)
                me.value.sendReceipts()
            }
            me.value.context?.flush()
        }
    }

    /// A frame to the subscribers of a topic.
    func publish(_ frame: StompFrame, topic: String, to serial: Int) {
        guard let context, context.channel.isWritable else { return }
        core.lastTopicID += 1
        let id = "topic-\(core.lastTopicID)"
        guard let headers = machine.deliver(Int64(-core.lastTopicID), messageID: id, to: serial) else { return }
        write { encoder, buffer in
            encoder.start(.message, into: &buffer)
            if let subscription = headers.subscription { encoder.header(.subscription, subscription, into: &buffer) }
            encoder.header(.messageID, id, into: &buffer)
            encoder.header(.destination, topic, into: &buffer)
            if let ack = headers.ack { encoder.header("ack", ack, into: &buffer) }
            encoder.stored(
                frame.storedHeaders(except: [.destination, .contentLength, .receipt, .transaction]),
                into: &buffer
            )
            encoder.finish(.message, body: frame.body, into: &buffer)
        }
        context.flush()
    }

    // MARK: Writing

    func write(_ make: (StompFrameEncoder, inout ByteBuffer) -> Void) {
        guard let context else { return }
        var buffer = context.channel.allocator.buffer(capacity: 256)
        make(encoder, &buffer)
        heartBeat?.sent(at: .now())
        context.write(wrapOutboundOut(buffer), promise: nil)
    }

    private func scheduleHeartBeat() {
        guard let next = heartBeat?.nextCheck else { return }
        let me = NIOLoopBound(self, eventLoop: core.loop)
        heartBeatTask = core.loop.scheduleTask(deadline: next) { me.value.beat() }
    }

    private func beat() {
        guard let context, let heartBeat else { return }
        let now = NIODeadline.now()
        // While we don't read, silence is our own doing.
        if heartBeat.isSilent(at: now), !isThrottled {
            context.close(promise: nil)
            return
        }
        if isThrottled { self.heartBeat?.received(at: now) }
        if heartBeat.mustSend(at: now) {
            write { $1.writeInteger(UInt8(ascii: "\n")) }
            context.flush()
        }
        scheduleHeartBeat()
    }
}
