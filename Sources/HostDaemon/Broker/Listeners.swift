// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import NIOCore
import NIOPosix
import QueueCore
import QueueStore
import Stomp
import WorkerLink

/// The broker's doors: STOMP over TCP and a Unix socket, and the workers' socket.
///
/// Confined to the broker's loop.
final class Listeners {
    /// Bodies up to this are taken from any client; on hostd's own queues the frame's own limit judges.
    static let maxBody = 16 << 20

    private let core: BrokerCore
    let workers: WorkerRegistry
    private var channels: [any Channel] = []
    private var sessions = 0
    private(set) var port: Int?

    init(_ core: BrokerCore, _ workers: WorkerRegistry) {
        self.core = core
        self.workers = workers
    }

    func open(group: any EventLoopGroup) -> EventLoopFuture<Void> {
        let configuration = core.configuration
        let me = NIOLoopBound(self, eventLoop: core.loop)
        let stomp = serve(unix: configuration.stompSocket, group: group) { try me.value.addStomp(to: $0) }
        let link = serve(unix: configuration.workerSocket, group: group) { try me.value.addWorker(to: $0) }
        var all = [stomp, link]
        if let host = configuration.listenHost {
            let tcp = bootstrap(group) { try me.value.addStomp(to: $0) }
                .bind(host: host, port: configuration.listenPort)
                .map { channel in
                    me.value.channels.append(channel)
                    me.value.port = channel.localAddress?.port
                }
            all.append(tcp)
        }
        return EventLoopFuture.andAllSucceed(all, on: core.loop)
    }

    private func serve(
        unix path: String,
        group: any EventLoopGroup,
        _ initialize: @escaping @Sendable (any Channel) throws -> Void
    ) -> EventLoopFuture<Void> {
        let me = NIOLoopBound(self, eventLoop: core.loop)
        // The store's lock says that no other broker serves here: a socket that is there is a dead one's.
        unlink(path)
        return bootstrap(group, initialize).bind(unixDomainSocketPath: path).map { channel in
            chmod(path, 0o600)
            me.value.channels.append(channel)
        }
    }

    private func bootstrap(
        _ group: any EventLoopGroup,
        _ initialize: @escaping @Sendable (any Channel) throws -> Void
    ) -> ServerBootstrap {
        ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 1 << 20, high: 4 << 20))
            .childChannelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(minimum: 1024, initial: 16_384, maximum: 262_144)
            )
            .childChannelInitializer { channel in channel.eventLoop.makeCompletedFuture { try initialize(channel) } }
    }

    private func addStomp(to channel: any Channel) throws {
        sessions += 1
        let configuration = core.configuration
        let credentials = configuration.username.map {
            StompCredentials(login: $0, passcode: configuration.password ?? "")
        }
        let session = StompSession(
            core,
            ServerSessionConfiguration(
                server: "hostd/\(configuration.version)",
                credentials: credentials,
                heartBeat: HeartBeatOffer(sends: 10_000, wants: 10_000)
            ),
            id: "\(core.store.firstID)-\(sessions)",
            limits: StompLimits(body: Self.maxBody)
        )
        if channel.localAddress?.port != nil {
            channel.setOption(.socketOption(.tcp_nodelay), value: 1).whenComplete { _ in }
        }
        try channel.pipeline.syncOperations.addHandler(session)
    }

    private func addWorker(to channel: any Channel) throws {
        try channel.pipeline.syncOperations.addHandlers([
            ByteToMessageHandler(LinkMessageDecoder()), MessageToByteHandler(LinkMessageEncoder()),
            WorkerSession(core, workers),
        ])
    }

    func close() {
        for channel in channels { channel.close(promise: nil) }
        channels = []
    }
}
