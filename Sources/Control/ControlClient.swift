// SPDX-License-Identifier: Apache-2.0
import Glibc
package import NIOCore
import NIOPosix

/// queuectl's and the console's line to the supervisor: one connection, any number of requests, from any task.
package struct ControlClient: Sendable {
    private let channel: any Channel

    /// To `STATE_DIR/control.sock`.
    package static func connect(
        path: String,
        on group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) async throws(ControlError) -> ControlClient {
        try SocketPath.check(path)
        try checkOwner(path)
        do {
            let channel = try await ClientBootstrap(group: group)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandlers([
                            ByteToMessageHandler(JSONLineDecoder()), ClientHandler(),
                        ])
                    }
                }
                .connect(unixDomainSocketPath: path).get()
            return ControlClient(channel: channel)
        } catch let error as IOError where error.errnoCode == ECONNREFUSED || error.errnoCode == ENOENT {
            throw .notRunning(path: path)
        } catch let error as IOError {
            throw .failed(path: path, reason: SocketPath.words(error.errnoCode))
        } catch {
            throw .failed(path: path, reason: "\(error)")
        }
    }

    /// The result of a command; an error reply, a lost connection and a passed time limit are thrown.
    package func request(
        _ command: String,
        _ arguments: [String: JSONValue] = [:],
        timeLimit: Duration = .seconds(60)
    ) async throws(ControlError) -> JSONValue {
        let answer = channel.eventLoop.makePromise(of: JSONValue.self)
        let request = OutgoingRequest(command: command, arguments: arguments, timeLimit: timeLimit, answer: answer)
        // The handler settles what reached it; on a closed channel nothing does. (A promise keeps its first value.)
        channel.writeAndFlush(request).whenFailure { _ in answer.fail(ControlError.closed(command: command)) }
        do {
            return try await answer.futureResult.get()
        } catch let error as ControlError {
            throw error
        } catch {
            throw .malformed("\(error)")
        }
    }

    /// Returns once the other end closed the connection: the supervisor does so at the very end of a stop.
    package func waitUntilClosed() async { try? await channel.closeFuture.get() }

    package func close() async { try? await channel.close().get() }

    /// A socket of somebody else may be a trap for what is sent there.
    ///
    /// Root may use one whose directory is its owner's
    /// alone: hostd's own user, as systemd starts it.
    private static func checkOwner(_ path: String) throws(ControlError) {
        let status = try SocketPath.status(path)
        guard status.st_uid != geteuid(), status.st_uid != 0 else { return }
        let directory = SocketPath.directory(of: path)
        var parent = stat()
        guard geteuid() == 0, stat(directory, &parent) == 0, parent.st_uid == status.st_uid, parent.st_mode & 0o022 == 0
        else { throw .foreign(path: path, owner: status.st_uid) }
    }
}

private final class ClientHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = OutgoingRequest
    typealias OutboundOut = ByteBuffer

    private var pending = PendingRequests()

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let reply = try? JSONLine.decode(ControlReply.self, from: unwrapInboundIn(data)) else { return }
        pending.settle(reply)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let request = unwrapOutboundIn(data)
        let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
        let numbered = pending.open(request, on: context.eventLoop) { id in
            handler.value.pending.expire(id, after: request.timeLimit)
        }
        do {
            context.write(wrapOutboundOut(try JSONLine.encode(numbered)), promise: promise)
        } catch {
            pending.settle(ControlReply(id: numbered.id, error: "`\(request.command)` can't be written: \(error)"))
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        pending.close()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
