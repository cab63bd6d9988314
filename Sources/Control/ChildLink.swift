// SPDX-License-Identifier: Apache-2.0
package import NIOCore
import NIOPosix

/// The supervisor's line to one child, over its end of the socket pair.
///
/// Callbacks run on the event loop that it was opened on, in the order of the messages; everything else may be called
/// anywhere.
package struct ChildLink: Sendable {
    private let channel: any Channel

    /// Takes over `descriptor`, the supervisor's end.
    ///
    /// `receive` gets each message of the child but the replies to `request`; `lost` is called once, after the last
    /// message: the child closed its end, mostly by its own end.
    package static func open(
        descriptor: CInt,
        on eventLoop: any EventLoop,
        receive: @escaping @Sendable (ChildMessage) -> Void,
        lost: @escaping @Sendable () -> Void
    ) -> EventLoopFuture<ChildLink> {
        ClientBootstrap(group: eventLoop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([
                        ByteToMessageHandler(JSONLineDecoder()), LinkHandler(receive: receive, lost: lost),
                    ])
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
}

private final class LinkHandler: ChannelDuplexHandler {
    enum Outgoing: Sendable {
        case message(SupervisorMessage)
        case request(OutgoingRequest)
    }

    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Outgoing
    typealias OutboundOut = ByteBuffer

    private let receive: @Sendable (ChildMessage) -> Void
    private let lost: @Sendable () -> Void
    private var pending = PendingRequests()

    init(receive: @escaping @Sendable (ChildMessage) -> Void, lost: @escaping @Sendable () -> Void) {
        self.receive = receive
        self.lost = lost
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let message = try? JSONLine.decode(ChildMessage.self, from: unwrapInboundIn(data)) else { return }
        if case .reply(let reply) = message {
            pending.settle(reply)
        } else {
            receive(message)
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        do {
            let message =
                switch unwrapOutboundIn(data) {
                case .message(let message): message
                case .request(let request): SupervisorMessage.request(open(request, context: context))
                }
            context.write(wrapOutboundOut(try JSONLine.encode(message)), promise: promise)
        } catch {
            promise?.fail(error)
        }
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
