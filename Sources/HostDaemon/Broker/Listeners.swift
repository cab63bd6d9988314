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
    /// Producers and subscribers that are connected.
    private var sessions: [ObjectIdentifier: StompSession] = [:]
    private var lastSession = 0
    private(set) var port: Int?

    init(_ core: BrokerCore, _ workers: WorkerRegistry) {
        self.core = core
        self.workers = workers
    }

    /// `doors`: the supervisor's sockets; without any the broker opens its own.
    func open(group: any EventLoopGroup, doors: BrokerDoors? = nil) -> EventLoopFuture<Void> {
        let sockets: BrokerDoors
        do throws(ControlError) {
            sockets = if let doors { doors } else { try BrokerDoors.open(core.configuration) }
        } catch {
            return core.loop.makeFailedFuture(error)
        }
        port = sockets.network?.port
        core.resumption?.listening()
        let me = NIOLoopBound(self, eventLoop: core.loop)
        var all = [
            serve(sockets.workers, group: group) { try me.value.addWorker(to: $0) },
            serve(sockets.local, group: group) { try me.value.addStomp(to: $0) },
        ]
        if let network = sockets.network { all.append(serve(network, group: group) { try me.value.addStomp(to: $0) }) }
        return EventLoopFuture.andAllSucceed(all, on: core.loop)
    }

    private func serve(
        _ socket: ListeningSocket,
        group: any EventLoopGroup,
        _ initialize: @escaping @Sendable (any Channel) throws -> Void
    ) -> EventLoopFuture<Void> {
        let me = NIOLoopBound(self, eventLoop: core.loop)
        return bootstrap(group, initialize).withBoundSocket(socket.descriptor).map { me.value.channels.append($0) }
    }

    private func bootstrap(
        _ group: any EventLoopGroup,
        _ initialize: @escaping @Sendable (any Channel) throws -> Void
    ) -> ServerBootstrap {
        ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 1 << 20, high: 4 << 20))
            .childChannelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(minimum: 1024, initial: 16_384, maximum: 262_144)
            )
            .childChannelInitializer { channel in channel.eventLoop.makeCompletedFuture { try initialize(channel) } }
    }

    private func addStomp(to channel: any Channel) throws {
        lastSession += 1
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
            id: "\(core.store.firstID)-\(lastSession)",
            limits: StompLimits(body: Self.maxBody)
        )
        if channel.localAddress?.port != nil {
            channel.setOption(.socketOption(.tcp_nodelay), value: 1).whenComplete { _ in }
        }
        try channel.pipeline.syncOperations.addHandler(session)
        let key = ObjectIdentifier(session)
        sessions[key] = session
        let me = NIOLoopBound(self, eventLoop: core.loop)
        channel.closeFuture.whenComplete { _ in me.value.sessions[key] = nil }
    }

    private func addWorker(to channel: any Channel) throws {
        try channel.pipeline.syncOperations.addHandlers([
            ByteToMessageHandler(LinkMessageDecoder()), MessageToByteHandler(LinkMessageEncoder()),
            WorkerSession(core, workers),
        ])
    }

    /// Takes nobody in any more: who connects waits for the next broker, where the supervisor keeps the sockets.
    func close() {
        for channel in channels { channel.close(promise: nil) }
        channels = []
    }

    /// Items that workers hold.
    var inFlight: Int { workers.sessions.values.reduce(0) { $0 + $1.inFlight.count } }

    var hasSessions: Bool { !sessions.isEmpty }

    /// Producers get the receipts of what was taken in, then the end of the stream: what has none they send again.
    func endSessions() { for session in sessions.values { session.end() } }
}
