// SPDX-License-Identifier: Apache-2.0
import Glibc
package import NIOCore
import NIOPosix

/// The supervisor's socket for queuectl and the console: requests in, one reply each, many at a time per connection.
///
/// Only the user that hostd runs as, and root, are heard.
package struct ControlServer: Sendable {
    /// Called off the event loop, in a task per request.
    package typealias Answer = @Sendable (ControlRequest) async -> ControlReply

    private let channel: any Channel
    private let path: String
    private let connections: NIOLoopBoundBox<[ObjectIdentifier: any Channel]>

    /// Replaces a socket of ours that a killed supervisor left; whoever calls holds the lock on the state directory.
    package static func start(
        path: String,
        on group: any EventLoopGroup,
        answer: @escaping Answer
    ) async throws(ControlError) -> ControlServer {
        let descriptor = try bind(path)
        let loop = group.next()
        let connections = NIOLoopBoundBox.makeBoxSendingValue([ObjectIdentifier: any Channel](), eventLoop: loop)
        do {
            let channel = try await ServerBootstrap(group: loop)
                .serverChannelOption(ChannelOptions.backlog, value: 64)
                .childChannelInitializer { channel in
                    ControlServer.isTrusted(channel).flatMapThrowing { isTrusted in
                        guard isTrusted else { throw ControlError.refused("not hostd's user") }
                        let key = ObjectIdentifier(channel)
                        connections.value[key] = channel
                        channel.closeFuture.assumeIsolated().whenComplete { _ in connections.value[key] = nil }
                        try channel.pipeline.syncOperations.addHandlers([
                            ByteToMessageHandler(JSONLineDecoder()), ServerHandler(answer: answer),
                        ])
                    }
                }
                .withBoundSocket(descriptor).get()
            return ControlServer(channel: channel, path: path, connections: connections)
        } catch {
            Glibc.close(descriptor)
            throw .failed(path: path, reason: "\(error)")
        }
    }

    /// Hears nobody any more, and closes what is open once the replies that were given are written.
    package func stop() async {
        unlink(path)
        try? await channel.close().get()
        try? await channel.eventLoop.flatSubmit {
            let open = Array(connections.value.values)
            for channel in open {
                channel.pipeline.triggerUserOutboundEvent(ServerHandler.CloseWhenAnswered(), promise: nil)
            }
            return EventLoopFuture.andAllComplete(open.map(\.closeFuture), on: channel.eventLoop)
        }.get()
    }

    /// The socket is nobody else's from its first moment: mode 0600 is set before anything listens.
    private static func bind(_ path: String) throws(ControlError) -> CInt {
        try SocketPath.check(path)
        var there = stat()
        if lstat(path, &there) == 0 {
            let owner = try SocketPath.status(path).st_uid
            guard owner == geteuid() else { throw .foreign(path: path, owner: owner) }
            unlink(path)
        }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw .failed(path: path, reason: SocketPath.words(errno)) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard bound == 0, chmod(path, 0o600) == 0 else {
            let reason = SocketPath.words(errno)
            Glibc.close(descriptor)
            throw .failed(path: path, reason: reason)
        }
        return descriptor
    }

    private static func isTrusted(_ channel: any Channel) -> EventLoopFuture<Bool> {
        guard let provider = channel as? any SocketOptionProvider else {
            return channel.eventLoop.makeSucceededFuture(false)
        }
        let peer: EventLoopFuture<PeerCredentials> = provider.unsafeGetSocketOption(
            level: .socket,
            name: NIOBSDSocket.Option(rawValue: SO_PEERCRED)
        )
        return peer.map { $0.uid == geteuid() || $0.uid == 0 }.recover { _ in false }
    }
}

/// Linux's `struct ucred`, which Swift's Glibc doesn't import (it is behind _GNU_SOURCE): unix(7), SO_PEERCRED.
private struct PeerCredentials {
    var pid: pid_t
    var uid: uid_t
    var gid: gid_t
}
