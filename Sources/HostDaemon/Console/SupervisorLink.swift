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
    /// Shared by all questions: they go over one connection, many at a time.
    private var connection: Task<ControlClient, any Error>?
    /// Tells a connection from the one that took its place.
    private var connections = 0

    init(path: String, on group: any EventLoopGroup) {
        self.path = path
        self.group = group
    }

    /// Whoever looks at a page waits no longer.
    private static let timeLimit = Duration.seconds(5)

    func ask(_ command: String) async throws -> JSONValue {
        do {
            return try await askOnce(command)
        } catch ControlError.closed {
            // The connection of the last question was lost since; a new one tells whether the supervisor is.
            return try await askOnce(command)
        }
    }

    private func askOnce(_ command: String) async throws -> JSONValue {
        let connection = connected()
        let number = connections
        do {
            return try await connection.value.request(command, timeLimit: Self.timeLimit)
        } catch ControlError.refused(let line) {
            throw ControlError.refused(line)
        } catch {
            // Whatever else went wrong, the next question tries a new connection.
            if number == connections { self.connection = nil }
            throw error
        }
    }

    private func connected() -> Task<ControlClient, any Error> {
        if let connection { return connection }
        let (path, group) = (path, group)
        let new = Task { () async throws -> ControlClient in try await ControlClient.connect(path: path, on: group) }
        connection = new
        connections += 1
        return new
    }

    func close() async {
        let last = connection
        connection = nil
        try? await last?.value.close()
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
