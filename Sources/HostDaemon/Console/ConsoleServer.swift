// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import HostConfig
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

/// The HTTP server of one configuration: started and stopped by the console role.
struct ConsoleServer: Sendable {
    /// The one that was bound, also where the configuration says 0.
    let port: Int
    private let group: ServiceGroup
    private let run: Task<Void, any Error>

    /// Many more than people and scrapers need, few enough to bound the memory of whoever holds connections open.
    private static let mostConnections = 256

    /// Returns once it listens.
    static func start(
        _ configuration: ConsoleConfiguration,
        source: any StatusSource,
        logger: Logger
    ) async throws -> ConsoleServer {
        let address = HostPort(host: configuration.listenHost, port: configuration.listenPort)
        let rule = AccessRule(
            token: configuration.token,
            session: RandomText.hex(bytes: 32),
            isLoopback: address.isLoopback
        )
        let (listening, continuation) = AsyncThrowingStream<Int, any Error>.makeStream()
        let application = Application(
            responder: ConsoleResponder(rule: rule, source: source, version: configuration.version),
            server: .http1(configuration: .init(idleTimeout: .seconds(60))),
            configuration: .init(
                address: .hostname(configuration.listenHost, port: configuration.listenPort),
                availableConnectionsDelegate: MaximumAvailableConnections(mostConnections)
            ),
            onServerRunning: { continuation.yield($0.localAddress?.port ?? configuration.listenPort) },
            eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup.singleton),
            logger: logger
        )
        let group = ServiceGroup(configuration: .init(services: [application], logger: logger))
        let run = Task {
            do {
                try await group.run()
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
                throw error
            }
        }
        do {
            for try await port in listening { return ConsoleServer(port: port, group: group, run: run) }
            throw ConsoleError.ended
        } catch let error as IOError {
            throw ConsoleError.cannotListen(address, IOReason(error))
        } catch let error as ConsoleError {
            throw error
        } catch {
            throw ConsoleError.cannotListen(address, .other("\(error)"))
        }
    }

    /// Listens no more; what is being answered is finished.
    func stop() async {
        await group.triggerGracefulShutdown()
        // An idle browser may hold its connection: it isn't waited for.
        let patience = Task {
            try await Task.sleep(for: .seconds(2))
            run.cancel()
        }
        _ = await run.result
        patience.cancel()
    }

    /// Returns when it ended, asked to or not.
    func ended() async { _ = await run.result }
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
