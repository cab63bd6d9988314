// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Performs what `ClientSessionStateMachine` decides: the last handler of a client's channel, on its event loop only.
final class StompClientHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// A batch that isn't written whole yet.
    private struct Batch {
        let messages: [StompMessage]
        var next = 0
        let promise: EventLoopPromise<Void>
    }

    private let loop: any EventLoop
    private let login: String?
    private let passcode: String?
    private var connected: EventLoopPromise<Void>?
    private let encoder = StompFrameEncoder(version: .v1_2)
    private var session: ClientSessionStateMachine
    private var decoder = StompFrameDecoder()
    /// nil before the channel is there and after it is gone.
    private var context: ChannelHandlerContext?
    private var batches = CircularBuffer<Batch>()
    private var confirmations: [EventLoopPromise<Int>] = []
    private var disconnected: EventLoopPromise<Void>?

    init(
        loop: any EventLoop,
        login: String?,
        passcode: String?,
        window: Int,
        connected: EventLoopPromise<Void>
    ) {
        self.loop = loop
        self.login = login
        self.passcode = passcode
        self.connected = connected
        session = ClientSessionStateMachine(window: window)
    }

    // MARK: For StompConnection

    /// Succeeds when all messages are written, which may have to wait for receipts of earlier ones.
    func send(_ messages: [StompMessage]) -> EventLoopFuture<Void> {
        let promise = loop.makePromise(of: Void.self)
        if case .failed(let error) = session.state {
            promise.fail(error)
        } else if !session.isOpen {
            promise.fail(StompError.connectionClosed)
        } else {
            batches.append(Batch(messages: messages, promise: promise))
            if let context { write(context) }
        }
        return promise.futureResult
    }

    /// Succeeds, with the number of messages confirmed so far, when no receipt is outstanding.
    func confirm() -> EventLoopFuture<Int> {
        let promise = loop.makePromise(of: Int.self)
        if case .failed(let error) = session.state {
            promise.fail(error)
        } else {
            confirmations.append(promise)
            settleConfirmations()
        }
        return promise.futureResult
    }

    func disconnect() -> EventLoopFuture<Void> {
        let promise = loop.makePromise(of: Void.self)
        if case .failed(let error) = session.state {
            promise.fail(error)
        } else if !session.isOpen || disconnected != nil {
            promise.fail(StompError.connectionClosed)
        } else {
            disconnected = promise
            var buffer = ByteBuffer()
            encoder.start(.disconnect, into: &buffer)
            encoder.header(.receipt, session.disconnect(), into: &buffer)
            encoder.finish(.disconnect, into: &buffer)
            context?.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
        }
        return promise.futureResult
    }

    var progress: StompProgress { StompProgress(confirmed: session.confirmed, refused: session.refused) }

    func giveUp(_ error: StompError) { perform(session.fail(error)) }

    // MARK: ChannelInboundHandler

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        perform(session.closed())
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        var headers = [(name: "accept-version", value: "1.2"), (name: "host", value: "hostd")]
        if let login { headers.append(("login", login)) }
        if let passcode { headers.append(("passcode", passcode)) }
        var buffer = context.channel.allocator.buffer(capacity: 256)
        StompFrameEncoder.encode(.connect, headers, version: .v1_2, into: &buffer)
        context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        decoder.append(unwrapInboundIn(data))
        do throws(StompError) {
            while let frame = try decoder.next() {
                let action = session.receive(frame)
                if action == .connected { decoder.version = .v1_2 }
                perform(action)
            }
        } catch {
            perform(session.fail(error))
        }
    }

    /// Room in the window is used once per read, not once per receipt.
    func channelReadComplete(context: ChannelHandlerContext) {
        write(context)
        context.fireChannelReadComplete()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        write(context)
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        perform(session.closed())
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        perform(session.fail(.connectionClosed))
    }

    // MARK: Effects

    private func perform(_ action: ClientSessionStateMachine.Action) {
        switch action {
        case .connected:
            connected?.succeed()
            connected = nil
        case .confirmed: settleConfirmations()
        case .disconnected:
            disconnected?.succeed()
            context?.close(promise: nil)
        case .failed(let error):
            connected?.fail(error)
            disconnected?.fail(error)
            for batch in batches { batch.promise.fail(error) }
            for confirmation in confirmations { confirmation.fail(error) }
            batches.removeAll()
            confirmations = []
            context?.close(promise: nil)
        case .ignore: break
        }
    }

    private func settleConfirmations() {
        guard session.isConfirmed, batches.isEmpty else { return }
        for confirmation in confirmations { confirmation.succeed(session.confirmed) }
        confirmations = []
    }

    /// Writes as much as the window and the socket take, in buffers of about 64 KiB.
    private func write(_ context: ChannelHandlerContext) {
        var isWritten = false
        while !batches.isEmpty, session.hasRoom, context.channel.isWritable {
            var buffer = context.channel.allocator.buffer(capacity: 64 << 10)
            while !batches.isEmpty, session.hasRoom, buffer.readableBytes < 60 << 10 { encodeNext(into: &buffer) }
            guard buffer.readableBytes > 0 else { continue }
            context.write(wrapOutboundOut(buffer), promise: nil)
            isWritten = true
        }
        if isWritten { context.flush() }
        settleConfirmations()
    }

    private func encodeNext(into buffer: inout ByteBuffer) {
        let batch = batches[batches.startIndex]
        guard batch.next < batch.messages.count else {
            batches.removeFirst().promise.succeed()
            return
        }
        let message = batch.messages[batch.next]
        batches[batches.startIndex].next += 1
        encoder.start(.send, into: &buffer)
        encoder.header(.destination, message.destination, into: &buffer)
        for (name, value) in message.headers { encoder.header(named: name, value, into: &buffer) }
        if message.wantsReceipt { encoder.header(.receipt, session.nextReceipt(), into: &buffer) }
        encoder.finish(.send, body: message.body, into: &buffer)
        if batch.next + 1 == batch.messages.count { batches.removeFirst().promise.succeed() }
    }
}
