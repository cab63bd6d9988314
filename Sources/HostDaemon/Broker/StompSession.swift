// SPDX-License-Identifier: Apache-2.0
import Control
import Logging
import NIOCore
import QueueStore
import Stomp

/// One STOMP connection: what its state machine decides is done here.
///
/// Confined to the broker's loop.
///
/// `StompSession+Sending` has the way in (SEND, COMMIT, back-pressure), `StompSession+Subscriptions` the way out.
final class StompSession: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private static let lingerAfterEnd = TimeAmount.seconds(2)

    let core: BrokerCore
    private(set) var context: ChannelHandlerContext?
    var machine: ServerSessionStateMachine
    private var decoder: StompFrameDecoder
    private(set) var encoder = StompFrameEncoder(version: .v1_0)
    var receipts = ReceiptOrder()
    private var heartBeat: HeartBeat?
    private var heartBeatTask: Scheduled<Void>?
    var consumers: [Int: SubscriptionConsumer] = [:]
    /// Sent to a subscription and not settled, by the item's id.
    var claimed: [Int64: ActiveItem] = [:]
    /// What came in one read, and is stored together.
    var burst: [(item: Incoming, ticket: ReceiptOrder.Ticket)] = []
    /// ACKs and NACKs of one read.
    var settled: [ReceiptOrder.Ticket] = []
    var unstoredBytes = 0
    var isThrottled = false
    private var wantsRead = false
    /// No more frames are looked at, and nothing more is handed out.
    private(set) var isClosing = false
    private var hasFailed = false
    private var hasEndedOutput = false

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
        finishBurst()
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

    func readOn() {
        guard wantsRead else { return }
        wantsRead = false
        context?.read()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { for consumer in consumers.values { consumer.touch() } }
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelInactive(context: ChannelHandlerContext) {
        finishBurst(isLast: true)
        self.context = nil
        isClosing = true
        heartBeatTask?.cancel()
        leave()
        context.fireChannelInactive()
    }

    // MARK: Actions

    func perform(_ action: ServerSessionAction) {
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
        case .unsubscribe(let subscription, let givenBack, let receipt):
            unsubscribe(subscription, givenBack)
            note(receipt)
        case .settle(let settlement, let receipt):
            settle(settlement)
            settled.append(receipts.begin(receipt: receipt))
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
            finishBurst()
            leave()
            note(receipt)
            isClosing = true
            closeWhenAnswered()
        case .fail(let error, let receipt): fail(error, receipt: receipt)
        }
    }

    /// What the store could not take: the connection ends with an ERROR in place of the receipts.
    func refuse(_ error: QueueStoreError) {
        guard !hasFailed else { return }
        perform(machine.fail(.refused(message: error.kind, detail: "\(error)"), receipt: nil))
    }

    private func fail(_ error: StompError, receipt: String?) {
        guard !hasFailed else { return }
        hasFailed = true
        isClosing = true
        finishBurst(isLast: true)
        leave()
        core.log.info("a STOMP connection was closed", metadata: ["error": "\(error)"])
        write { encoder, buffer in encoder.error(error, receipt: receipt, into: &buffer) }
        endOutput()
    }

    /// The broker ends: what was taken in is stored and answered, then the client sees the end of the stream.
    func end() {
        guard !isClosing else { return }
        finishBurst()
        leave()
        isClosing = true
        // Throttled or not: what still comes is read and left alone, so that the close isn't a reset.
        isThrottled = false
        readOn()
        closeWhenAnswered()
    }

    // MARK: Receipts

    private func note(_ receipt: String?) {
        // In its place behind the SENDs of the same burst.
        complete([receipts.begin(receipt: receipt)])
    }

    func complete(_ tickets: [ReceiptOrder.Ticket]) {
        for ticket in tickets { receipts.complete(ticket) }
        while let receipt = receipts.next() {
            if !hasFailed { write { $0.receipt(receipt, into: &$1) } }
        }
        closeWhenAnswered()
    }

    private func closeWhenAnswered() {
        if isClosing, receipts.count == 0 { endOutput() }
    }

    /// The client gets to read what was written: half a close first, then the end.
    private func endOutput() {
        guard let context, !hasEndedOutput else { return }
        hasEndedOutput = true
        context.flush()
        context.close(mode: .output, promise: nil)
        let channel = context.channel
        core.loop.scheduleTask(in: Self.lingerAfterEnd) { channel.close(promise: nil) }
    }

    // MARK: Writing

    func write(_ make: (StompFrameEncoder, inout ByteBuffer) -> Void) {
        guard let context, !hasEndedOutput else { return }
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
