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
    private let listener: ListeningSocket
    private let path: String
    private let connections: NIOLoopBoundBox<[ObjectIdentifier: any Channel]>

    /// A server that another process goes on with: its socket, and who is connected.
    package struct Handed: Codable, Hashable, Sendable {
        package var listener: ListeningSocket
        package var connections: [HandedConnection]
    }

    /// Replaces a socket of ours that a killed supervisor left; whoever calls holds the lock on the state directory.
    ///
    /// `handed`: of the process that served before; what it was asked and had not answered is asked again.
    package static func start(
        path: String,
        handed: Handed? = nil,
        on group: any EventLoopGroup,
        answer: @escaping Answer
    ) async throws(ControlError) -> ControlServer {
        let listener = if let handed { handed.listener } else { try ListeningSocket.unix(path) }
        let loop = group.next()
        let connections = NIOLoopBoundBox.makeBoxSendingValue([ObjectIdentifier: any Channel](), eventLoop: loop)
        let server: ControlServer
        do {
            let channel = try await ServerBootstrap(group: loop)
                .serverChannelOption(ChannelOptions.backlog, value: ListeningSocket.backlog)
                .childChannelInitializer { serve($0, HandedConnection(), connections, answer) }
                .withBoundSocket(listener.descriptor).get()
            server = ControlServer(channel: channel, listener: listener, path: path, connections: connections)
        } catch {
            listener.close()
            throw .failed(path: path, reason: "\(error)")
        }
        for connection in handed?.connections ?? [] {
            // One that is gone by now has nobody to tell.
            _ = try? await ClientBootstrap(group: loop)
                .channelInitializer { serve($0, connection, connections, answer) }
                .withConnectedSocket(connection.descriptor).get()
        }
        return server
    }

    private static func serve(
        _ channel: any Channel,
        _ connection: HandedConnection,
        _ connections: NIOLoopBoundBox<[ObjectIdentifier: any Channel]>,
        _ answer: @escaping Answer
    ) -> EventLoopFuture<Void> {
        isTrusted(channel).flatMapThrowing { isTrusted in
            guard isTrusted else { throw ControlError.refused("not hostd's user") }
            let key = ObjectIdentifier(channel)
            connections.value[key] = channel
            channel.closeFuture.assumeIsolated().whenComplete { _ in connections.value[key] = nil }
            try channel.pipeline.syncOperations.addHandler(ServerHandler(connection, answer: answer))
        }
    }

    /// Hears and answers nobody any more, and says how another process goes on.
    ///
    /// `resume` takes it back. A client that doesn't read what it asked for is left behind.
    package func handOver() async -> Handed {
        let (channel, listener, connections) = (channel, listener, connections)
        let handed = channel.setOption(.autoRead, value: false).flatMap {
            let promises = connections.value.values.map { connection in
                let promise = channel.eventLoop.makePromise(of: HandedConnection?.self)
                connection.pipeline.triggerUserOutboundEvent(ServerHandler.HandOver(promise: promise))
                    .whenFailure { _ in promise.succeed(nil) }
                channel.eventLoop.scheduleTask(in: .seconds(1)) { promise.succeed(nil) }
                return promise.futureResult
            }
            return EventLoopFuture.whenAllSucceed(promises, on: channel.eventLoop)
        }
        return Handed(listener: listener, connections: ((try? await handed.get()) ?? []).compactMap(\.self))
    }

    package func resume() {
        let (channel, connections) = (channel, connections)
        channel.setOption(.autoRead, value: true).whenSuccess {
            for connection in connections.value.values {
                connection.pipeline.triggerUserOutboundEvent(ServerHandler.Resume(), promise: nil)
            }
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
