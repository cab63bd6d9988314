// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import HostConfig
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix

/// The HTTP server of one configuration: started and stopped by the console role.
///
/// Hummingbird's channel on a socket that somebody else may have opened: its own server only binds new ones.
struct ConsoleServer: Sendable {
    private typealias Connections = NIOAsyncChannel<HTTP1Channel.Value, Never>

    /// The one that was bound, also where the configuration says 0.
    let port: Int
    private let listener: any Channel
    private let guests: Guests
    private let run: Task<Void, Never>

    /// Many more than people and scrapers need, few enough to bound the memory of whoever holds connections open.
    private static let mostConnections = 256
    /// From the accepted socket to its handler: some turns of two event loops.
    private static let handOn = Duration.milliseconds(20)
    /// Who was let in just now has its request on the way.
    private static let courtesy = Duration.milliseconds(200)
    /// An idle browser may hold its connection: it isn't waited for any longer.
    private static let patience = Duration.seconds(2)

    /// Returns once it serves.
    ///
    /// `door`: the supervisor's socket for this address, which stays open; nil: it opens one of its own.
    static func start(
        _ configuration: ConsoleConfiguration,
        on door: ListeningSocket? = nil,
        source: any StatusSource,
        logger: Logger
    ) async throws -> ConsoleServer {
        let address = HostPort(host: configuration.listenHost, port: configuration.listenPort)
        let rule = AccessRule(
            token: configuration.token,
            session: RandomText.hex(bytes: 32),
            isLoopback: address.isLoopback
        )
        let responder = ConsoleResponder(rule: rule, source: source, version: configuration.version)
        let http = HTTP1Channel(
            responder: { request, writer, channel in
                let context = BasicRequestContext(source: .init(channel: channel, logger: logger))
                var response = try await responder.respond(to: request, context: context)
                response.headers[.date] = HTTPDate.now
                try await writer.write(response: response.head, body: response.body)
            },
            configuration: .init(idleTimeout: .seconds(60))
        )
        let guests = Guests()
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let limit = AvailableConnectionsChannelHandler(maxConnections: mostConnections)
                    try channel.pipeline.syncOperations.addHandler(limit)
                }
            }
            .childChannelOption(.allowRemoteHalfClosure, value: true)
        let enter = { @Sendable (channel: any Channel) in
            guests.enter(channel)
            return http.setup(channel: channel, logger: logger)
        }
        let connections: Connections
        do {
            if let door {
                // Closed by the server: a descriptor of its own.
                let copy = try door.duplicate()
                connections = try await bootstrap.bind(copy.descriptor, childChannelInitializer: enter)
            } else {
                connections = try await bootstrap.bind(
                    host: address.host,
                    port: address.port,
                    childChannelInitializer: enter
                )
            }
        } catch let error as IOError {
            throw ConsoleError.cannotListen(address, IOReason(error))
        } catch {
            throw ConsoleError.cannotListen(address, .other("\(error)"))
        }
        let port = connections.channel.localAddress?.port ?? configuration.listenPort
        logger.info("listening on \(HostPort(host: address.host, port: port))")
        return ConsoleServer(
            port: port,
            listener: connections.channel,
            guests: guests,
            run: Task { await serve(connections, http, logger) }
        )
    }

    /// Until the listener is closed and everybody has gone, or the task is cancelled.
    private static func serve(_ connections: Connections, _ http: HTTP1Channel, _ logger: Logger) async {
        await withDiscardingTaskGroup { group in
            do {
                try await connections.executeThenClose { inbound in
                    for try await connection in inbound {
                        group.addTask { await http.handle(value: connection, logger: logger) }
                    }
                }
            } catch {
                logger.error("the console takes no more connections", metadata: ["reason": "\(error)"])
            }
        }
    }

    /// Listens no more; what is being answered is finished.
    func stop() async {
        // A listener that closes resets whom it has accepted and not handed on yet: it accepts nobody first.
        try? await listener.setOption(.autoRead, value: false).get()
        try? await Task.sleep(for: Self.handOn)
        try? await listener.close().get()
        if guests.isAny { try? await Task.sleep(for: Self.courtesy) }
        guests.askToLeave()
        let patience = Task {
            try await Task.sleep(for: Self.patience)
            run.cancel()
        }
        await run.value
        patience.cancel()
    }

    /// Returns when it ended, asked to or not.
    func ended() async { await run.value }
}

/// Why the console can't serve; its description is the line that the operator reads.
enum ConsoleError: Error, Equatable, CustomStringConvertible {
    case cannotListen(HostPort, IOReason)
    case ended
    case notAConsole

    var description: String {
        switch self {
        case .cannotListen(let address, .inUse):
            "console.listen: \(address) is in use by another program: choose another port in hostd.yaml, or \"\" to "
                + "switch the console off"
        case .cannotListen(let address, .notAllowed):
            "console.listen: \(address) may not be used by this user: choose a port above 1023"
        case .cannotListen(let address, .notHere):
            "console.listen: \(address) is not an address of this machine"
        case .cannotListen(let address, .other(let reason)): "console.listen: \(address): \(reason)"
        case .ended: "the console's HTTP server ended by itself"
        case .notAConsole: "the console was configured as another role"
        }
    }
}

/// What bind(2) said, as far as there is something to do about it.
enum IOReason: Equatable {
    case inUse, notAllowed, notHere
    case other(String)
}

extension IOReason {
    fileprivate init(_ error: IOError) {
        self =
            switch error.errnoCode {
            case EADDRINUSE: .inUse
            case EACCES, EPERM: .notAllowed
            case EADDRNOTAVAIL: .notHere
            default: .other(String(cString: strerror(error.errnoCode)))
            }
    }
}
