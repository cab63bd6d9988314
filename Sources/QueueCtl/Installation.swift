// SPDX-License-Identifier: Apache-2.0
import Control
import HostConfig
import NIOPosix

/// Where the hostd that a command is about has its sockets and files.
struct Installation {
    let config: HostConfig

    /// For commands that need more of the configuration than where hostd is: an error in it ends them.
    static func load(_ global: GlobalOptions) throws -> Installation {
        var config = try HostConfig.load(global.config)
        if let stateDir = global.stateDir { config.stateDir = stateDir }
        return Installation(config: config)
    }

    /// The running hostd.
    ///
    /// It has read its configuration already: what is wrong in the file by now is told, and is no hindrance.
    static func hostd(_ global: GlobalOptions) async throws -> Hostd {
        try await Hostd(socket: stateDirectory(global) + "/control.sock")
    }

    static func stateDirectory(
        _ global: GlobalOptions,
        warn: (String) -> Void = Output.complain
    ) throws -> String {
        if let stateDir = global.stateDir { return stateDir }
        let (config, error) = try HostConfig.locate(global.config)
        if let error {
            warn("queuectl: warning: \(EntryPoint.sentence(for: error)); asking the hostd in \(config.stateDir)")
        }
        return config.stateDir
    }

    var stompSocket: String { config.stateDir + "/stomp.sock" }
    var recipientsPath: String { config.stateDir + "/recipients.db" }
    /// Group main's: what belongs to a breakout or to another group is passed on by the broker, by its `queue` header.
    var destination: String { config.queue.basename + "main" }
}

/// Whom commands ask: the running hostd, or a test's double.
protocol ControlPort: Sendable {
    func ask(_ command: String, _ arguments: [String: JSONValue]) async throws -> JSONValue
    /// Returns once hostd closed the connection, which it does at the very end of a stop.
    func waitUntilClosed() async
}

extension ControlPort {
    func ask(_ command: String) async throws -> JSONValue { try await ask(command, [:]) }
}

/// The running hostd, over its control socket.
struct Hostd: ControlPort {
    private let client: ControlClient

    init(socket: String) async throws {
        client = try await ControlClient.connect(path: socket, on: MultiThreadedEventLoopGroup.singleton)
    }

    func ask(_ command: String, _ arguments: [String: JSONValue]) async throws -> JSONValue {
        let limit: Duration =
            switch command {
            // A million dead letters are requeued or dropped in one command.
            case "dead.requeue", "dead.drop", "site.drop", "target.replay", "target.block": .seconds(1800)
            // Answered when the new generation of each plugin has shown that it works.
            case "restart": .seconds(900)
            // A new plugin's workers have a minute to start, a site that is opened anew half a minute to drain.
            case "update": .seconds(120)
            default: .seconds(60)
            }
        return try await client.request(command, arguments, timeLimit: limit)
    }

    func waitUntilClosed() async { await client.waitUntilClosed() }
}
