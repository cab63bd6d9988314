// SPDX-License-Identifier: Apache-2.0
import Glibc
package import NIOCore
import NIOPosix

/// A child's line to its supervisor, over the socket that it inherits.
///
/// Opened by each role's main; callbacks run on the event loop that it was opened on, in the order of the messages;
/// `send` may be called anywhere.
package struct ChildChannel: Sendable {
    /// Where a child finds its end of the socket pair.
    package static let descriptor: CInt = 3

    private let channel: any Channel

    /// Takes over `descriptor`.
    ///
    /// `receive` gets each message of the supervisor but those that this version doesn't know; `lost` is called once,
    /// after the last message: the supervisor is gone, drain and end.
    package static func open(
        descriptor: CInt = ChildChannel.descriptor,
        on eventLoop: any EventLoop,
        receive: @escaping @Sendable (SupervisorMessage) -> Void,
        lost: @escaping @Sendable () -> Void
    ) -> EventLoopFuture<ChildChannel> {
        // It isn't for a child's own children.
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        return ClientBootstrap(group: eventLoop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([
                        ByteToMessageHandler(JSONLineDecoder()),
                        ChildHandler(receive: receive, lost: lost),
                    ])
                }
            }
            .withConnectedSocket(descriptor)
            .map(ChildChannel.init(channel:))
    }

    /// As a stream, which ends when the supervisor is lost: for roles that live in tasks.
    package static func open(
        descriptor: CInt = ChildChannel.descriptor,
        on eventLoop: any EventLoop
    ) async throws -> (ChildChannel, AsyncStream<SupervisorMessage>) {
        let (messages, continuation) = AsyncStream<SupervisorMessage>.makeStream()
        let channel = try await open(
            descriptor: descriptor,
            on: eventLoop,
            receive: { continuation.yield($0) },
            lost: { continuation.finish() }
        ).get()
        return (channel, messages)
    }

    /// Into the void once the supervisor is lost.
    package func send(_ message: ChildMessage) {
        channel.writeAndFlush(message, promise: nil)
    }

    /// Sends and waits until it is written: for the last words before an exit.
    package func sendLast(_ message: ChildMessage) -> EventLoopFuture<Void> {
        channel.writeAndFlush(message)
    }

    package func close() { channel.close(promise: nil) }
}

private final class ChildHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ChildMessage
    typealias OutboundOut = ByteBuffer

    private let receive: @Sendable (SupervisorMessage) -> Void
    private let lost: @Sendable () -> Void

    init(receive: @escaping @Sendable (SupervisorMessage) -> Void, lost: @escaping @Sendable () -> Void) {
        self.receive = receive
        self.lost = lost
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let message = try? JSONLine.decode(SupervisorMessage.self, from: unwrapInboundIn(data)) else { return }
        receive(message)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        do {
            context.write(wrapOutboundOut(try JSONLine.encode(unwrapOutboundIn(data))), promise: promise)
        } catch {
            promise?.fail(error)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        lost()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
