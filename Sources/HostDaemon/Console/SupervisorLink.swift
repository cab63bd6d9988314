// SPDX-License-Identifier: Apache-2.0
import Control
import NIOCore

/// Whom the console asks: the supervisor, or a test's double.
protocol StatusSource: Sendable {
    func ask(_ command: String) async throws -> JSONValue
}

extension StatusSource {
    func snapshot() async throws -> Snapshot {
        async let status = ask("status")
        async let plugins = ask("plugins")
        async let sites = ask("sites")
        return try await Snapshot(status: status, plugins: plugins, sites: sites)
    }
}

/// The console's connection to the supervisor's control socket: made at the first question, and again after a loss.
actor SupervisorLink: StatusSource {
    private let path: String
    private let group: any EventLoopGroup
    private var client: ControlClient?

    init(path: String, on group: any EventLoopGroup) {
        self.path = path
        self.group = group
    }

    /// Whoever looks at a page waits no longer.
    private static let timeLimit = Duration.seconds(5)

    func ask(_ command: String) async throws -> JSONValue {
        if let client {
            do {
                return try await client.request(command, timeLimit: Self.timeLimit)
            } catch ControlError.closed {
                // Since the last question: the one more try below is on a new connection.
                self.client = nil
            }
        }
        let client = try await ControlClient.connect(path: path, on: group)
        // Of two questions that both found no connection the later one's stays.
        if let other = self.client { await other.close() }
        self.client = client
        return try await client.request(command, timeLimit: Self.timeLimit)
    }

    func close() async {
        await client?.close()
        client = nil
    }
}

/// Why there is no answer, for whoever asks over HTTP: no path of this machine.
enum NoAnswer {
    static func reason(_ error: any Error) -> String {
        switch error as? ControlError {
        case .notRunning, .notASocket, .foreign, .pathTooLong: "its control socket takes no connection"
        case .failed(_, let reason): "its control socket takes no connection: \(reason)"
        case .closed: "it closed the connection before it answered"
        case .timedOut(_, let limit): "no answer within \(limit.components.seconds) s"
        case .refused(let line): line
        case .malformed, nil: "its answer can't be read"
        }
    }
}
