// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// One connection of the control server: lines in, answers out in the order in which they are ready.
final class ServerHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ControlReply
    typealias OutboundOut = ByteBuffer

    /// Outbound event: read no more, close when what was asked is answered.
    struct CloseWhenAnswered: Sendable {}

    /// Requests at work per connection; reading pauses there, so that a client can't pile up tasks.
    private static let concurrency = 32

    private let answer: ControlServer.Answer
    private var inFlight = 0
    private var isClosing = false
    /// A read that was held back at the limit.
    private var isReadHeld = false

    init(answer: @escaping ControlServer.Answer) { self.answer = answer }

    func read(context: ChannelHandlerContext) {
        guard inFlight < Self.concurrency, !isClosing else {
            isReadHeld = true
            return
        }
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let line = unwrapInboundIn(data)
        do {
            let request = try JSONLine.decode(ControlRequest.self, from: line)
            start(request, context: context)
        } catch {
            let id = (try? JSONLine.decode(RequestID.self, from: line))?.id ?? 0
            let text = "not a request: a line is one JSON object {\"id\": NUMBER, \"command\": TEXT, \"arguments\": {}}"
            reply(ControlReply(id: id, error: text), context: context)
        }
    }

    private func start(_ request: ControlRequest, context: ChannelHandlerContext) {
        inFlight += 1
        let answer = answer
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        context.eventLoop.makeFutureWithTask { await answer(request) }
            .whenSuccess { reply in
                let (handler, context) = bound.value
                handler.answered(reply, context: context)
            }
    }

    private func answered(_ answer: ControlReply, context: ChannelHandlerContext) {
        inFlight -= 1
        reply(answer, context: context)
        if isClosing {
            closeIfIdle(context: context)
        } else if isReadHeld {
            isReadHeld = false
            context.read()
        }
    }

    private func reply(_ reply: ControlReply, context: ChannelHandlerContext) {
        do {
            context.writeAndFlush(wrapOutboundOut(try JSONLine.encode(reply)), promise: nil)
        } catch {
            context.close(promise: nil)
        }
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard event is CloseWhenAnswered else {
            context.triggerUserOutboundEvent(event, promise: promise)
            return
        }
        isClosing = true
        closeIfIdle(context: context)
        promise?.succeed()
    }

    /// Waits for what was written to leave; a client that doesn't read is the system's matter then.
    private func closeIfIdle(context: ChannelHandlerContext) {
        guard inFlight == 0 else { return }
        context.flush()
        context.close(promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is JSONLineDecoder.LineTooLong {
            let text = "a line may have \(JSONLine.limit) bytes: ask for less at a time"
            reply(ControlReply(id: 0, error: text), context: context)
        }
        context.close(promise: nil)
    }

    /// Of a line that is JSON but not a request.
    private struct RequestID: Decodable { var id: Int }
}
