// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// A connection that another process goes on with.
package struct HandedConnection: Codable, Hashable, Sendable {
    package var descriptor: CInt = -1
    /// The beginning of a line.
    var unread: [UInt8] = []
    /// What was asked and not answered: it is asked again.
    package var unanswered: [ControlRequest] = []
}

/// One connection of the control server: lines in, answers out in the order in which they are ready.
final class ServerHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ControlReply
    typealias OutboundOut = ByteBuffer

    /// Outbound event: read no more, close when what was asked is answered.
    struct CloseWhenAnswered: Sendable {}
    /// Outbound event: read no more, answer no more, and say how another process goes on.
    struct HandOver: Sendable { let promise: EventLoopPromise<HandedConnection?> }
    /// Outbound event: it isn't handed over after all.
    struct Resume: Sendable {}

    /// Requests at work per connection; reading pauses there, so that a client can't pile up tasks.
    private static let concurrency = 32

    private let answer: ControlServer.Answer
    private var lines: LineBuffer
    /// By their order.
    private var unanswered: [Int: ControlRequest] = [:]
    private var lastTurn = 0
    /// Asked of the process that had this connection before.
    private var toAskAgain: [ControlRequest]
    private var isClosing = false
    private var isHandedOver = false
    /// Answers that came since.
    private var held: [(turn: Int, reply: ControlReply)] = []
    /// A read that was held back at the limit.
    private var isReadHeld = false

    init(_ connection: HandedConnection, answer: @escaping ControlServer.Answer) {
        lines = LineBuffer(rest: connection.unread)
        toAskAgain = connection.unanswered
        self.answer = answer
    }

    func channelActive(context: ChannelHandlerContext) {
        let earlier = toAskAgain
        toAskAgain = []
        for request in earlier { start(request, context: context) }
        context.fireChannelActive()
    }

    func read(context: ChannelHandlerContext) {
        guard unanswered.count < Self.concurrency, !isClosing, !isHandedOver else {
            isReadHeld = true
            return
        }
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lines.append(unwrapInboundIn(data))
        do {
            while let line = try lines.next() { take(line, context: context) }
        } catch {
            errorCaught(context: context, error: error)
        }
    }

    private func take(_ line: ByteBuffer, context: ChannelHandlerContext) {
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
        lastTurn += 1
        let turn = lastTurn
        unanswered[turn] = request
        let answer = answer
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        context.eventLoop.makeFutureWithTask { await answer(request) }
            .whenSuccess { reply in
                let (handler, context) = bound.value
                handler.answered(turn, reply, context: context)
            }
    }

    private func answered(_ turn: Int, _ answer: ControlReply, context: ChannelHandlerContext) {
        guard !isHandedOver else { return held.append((turn, answer)) }
        unanswered[turn] = nil
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
        switch event {
        case is CloseWhenAnswered:
            isClosing = true
            closeIfIdle(context: context)
        case let event as HandOver: handOver(event.promise, context: context)
        case is Resume: resume(context: context)
        default: return context.triggerUserOutboundEvent(event, promise: promise)
        }
        promise?.succeed()
    }

    /// Told once what was answered before is written.
    private func handOver(_ promise: EventLoopPromise<HandedConnection?>, context: ChannelHandlerContext) {
        isHandedOver = true
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        context.channel.setOption(.autoRead, value: false).whenComplete { _ in
            let (handler, context) = bound.value
            let written = context.eventLoop.makePromise(of: Void.self)
            written.futureResult.whenComplete { result in
                if case .failure = result { return promise.succeed(nil) }
                let (handler, context) = bound.value
                promise.succeed(handler.handed(context))
            }
            context.writeAndFlush(handler.wrapOutboundOut(ByteBuffer()), promise: written)
        }
    }

    private func handed(_ context: ChannelHandlerContext) -> HandedConnection? {
        let operations = context.pipeline.syncOperations
        guard let found = try? operations.withUnsafeTransportIfAvailable(of: CInt.self, { $0 }) else { return nil }
        return HandedConnection(
            descriptor: found,
            unread: lines.rest,
            unanswered: unanswered.sorted { $0.key < $1.key }.map(\.value)
        )
    }

    private func resume(context: ChannelHandlerContext) {
        isHandedOver = false
        let answers = held
        held = []
        context.channel.setOption(.autoRead, value: true).whenComplete { _ in }
        for (turn, reply) in answers { answered(turn, reply, context: context) }
    }

    /// Waits for what was written to leave; a client that doesn't read is the system's matter then.
    private func closeIfIdle(context: ChannelHandlerContext) {
        guard unanswered.isEmpty else { return }
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
