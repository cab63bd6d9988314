// SPDX-License-Identifier: Apache-2.0
package import NIOCore
import NIOPosix

/// The supervisor's line to one child, over its end of the socket pair.
///
/// Callbacks run on the event loop that it was opened on, in the order of the messages; everything else may be called
/// anywhere.
package struct ChildLink: Sendable {
    /// What another process needs to go on with the line, besides its descriptor.
    package struct Remainder: Codable, Hashable, Sendable {
        /// The beginning of a line.
        package var unread: [UInt8] = []
        /// Ids up to it were given to requests: their replies may still come.
        package var lastRequest = 0

        package init() {}
    }

    private let channel: any Channel

    /// Takes over `descriptor`, the supervisor's end.
    ///
    /// `remainder`: of the process that had the line before. `receive` gets each message of the child but the replies to `request`; `lost` is called once, after the last
    /// message: the child closed its end, mostly by its own end.
    package static func open(
        descriptor: CInt,
        remainder: Remainder = Remainder(),
        on eventLoop: any EventLoop,
        receive: @escaping @Sendable (ChildMessage) -> Void,
        lost: @escaping @Sendable () -> Void
    ) -> EventLoopFuture<ChildLink> {
        ClientBootstrap(group: eventLoop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        LinkHandler(remainder, receive: receive, lost: lost)
                    )
                }
            }
            .withConnectedSocket(descriptor)
            .map(ChildLink.init(channel:))
    }

    /// Into the void once the child is gone.
    package func send(_ message: SupervisorMessage) {
        channel.writeAndFlush(LinkHandler.Outgoing.message(message), promise: nil)
    }

    /// Fails with a `ControlError` where the child refuses, dies or takes too long.
    package func request(
        _ command: String,
        _ arguments: [String: JSONValue] = [:],
        timeLimit: Duration = .seconds(30)
    ) -> EventLoopFuture<JSONValue> {
        let answer = channel.eventLoop.makePromise(of: JSONValue.self)
        let request = OutgoingRequest(command: command, arguments: arguments, timeLimit: timeLimit, answer: answer)
        // The handler settles what reached it; on a closed channel nothing does. (A promise keeps its first value.)
        channel.writeAndFlush(LinkHandler.Outgoing.request(request))
            .whenFailure { _ in answer.fail(ControlError.closed(command: command)) }
        return answer.futureResult
    }

    package func close() { channel.close(promise: nil) }

    /// Reads no more, and waits until all is written: from then on another process may go on with the descriptor.
    ///
    /// Fails where the child doesn't read, or is gone. `resume` takes it back.
    package func handOver(timeLimit: Duration = .seconds(1)) -> EventLoopFuture<Remainder> {
        let promise = channel.eventLoop.makePromise(of: Remainder.self)
        let timeout = channel.eventLoop.scheduleTask(in: TimeAmount(timeLimit)) {
            promise.fail(ControlError.timedOut(command: "hand over", after: timeLimit))
        }
        promise.futureResult.whenComplete { _ in timeout.cancel() }
        let channel = channel
        channel.setOption(.autoRead, value: false)
            .flatMap { channel.writeAndFlush(LinkHandler.Outgoing.end(promise)) }
            .whenFailure { promise.fail($0) }
        return promise.futureResult
    }

    package func resume() { channel.setOption(.autoRead, value: true).whenComplete { _ in } }
}

private final class LinkHandler: ChannelDuplexHandler {
    enum Outgoing: Sendable {
        case message(SupervisorMessage)
        case request(OutgoingRequest)
        /// Told what remains once everything before it is written.
        case end(EventLoopPromise<ChildLink.Remainder>)
    }

    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Outgoing
    typealias OutboundOut = ByteBuffer

    private let receive: @Sendable (ChildMessage) -> Void
    private let lost: @Sendable () -> Void
    private var lines: LineBuffer
    private var pending: PendingRequests

    init(
        _ remainder: ChildLink.Remainder,
        receive: @escaping @Sendable (ChildMessage) -> Void,
        lost: @escaping @Sendable () -> Void
    ) {
        lines = LineBuffer(rest: remainder.unread)
        pending = PendingRequests(lastID: remainder.lastRequest)
        self.receive = receive
        self.lost = lost
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lines.append(unwrapInboundIn(data))
        do {
            while let line = try lines.next() { take(line) }
        } catch {
            context.close(promise: nil)
        }
    }

    private func take(_ line: ByteBuffer) {
        guard let message = try? JSONLine.decode(ChildMessage.self, from: line) else { return }
        if case .reply(let reply) = message {
            pending.settle(reply)
        } else {
            receive(message)
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        do {
            let message: SupervisorMessage
            switch unwrapOutboundIn(data) {
            case .message(let one): message = one
            case .request(let request): message = .request(open(request, context: context))
            case .end(let end): return finish(end, context: context, promise: promise)
            }
            context.write(wrapOutboundOut(try JSONLine.encode(message)), promise: promise)
        } catch {
            promise?.fail(error)
        }
    }

    private func finish(
        _ end: EventLoopPromise<ChildLink.Remainder>,
        context: ChannelHandlerContext,
        promise: EventLoopPromise<Void>?
    ) {
        let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
        let written = promise ?? context.eventLoop.makePromise()
        written.futureResult.whenSuccess {
            var remainder = ChildLink.Remainder()
            remainder.unread = handler.value.lines.rest
            remainder.lastRequest = handler.value.pending.lastID
            end.succeed(remainder)
        }
        context.write(wrapOutboundOut(ByteBuffer()), promise: written)
    }

    private func open(_ request: OutgoingRequest, context: ChannelHandlerContext) -> ControlRequest {
        let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
        return pending.open(request, on: context.eventLoop) { id in
            handler.value.pending.expire(id, after: request.timeLimit)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        pending.close()
        lost()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
