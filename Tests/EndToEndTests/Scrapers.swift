// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import Synchronization
import TestSupport

/// HTTP clients of the console that ask all the time, each question over a connection of its own.
final class Scrapers: Sendable {
    struct Figures: Sendable {
        var answered = 0
        /// No connection, or no answer on it, with the reason.
        var failed: [String] = []
    }

    private let state = Mutex((figures: Figures(), isStopped: false))
    private let port: Int

    /// Never shut down, as the process ends with the tests; a connection that is refused is told, not tried again.
    private static let client: HTTPClient = {
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.retryConnectionEstablishment = false
        return HTTPClient(configuration: configuration)
    }()

    init(port: Int) { self.port = port }

    var figures: Figures { state.withLock { $0.figures } }

    /// Asks until `body` has ended.
    func run(while body: () async throws -> Void) async throws {
        let tasks = (0..<3).map { _ in Task { await ask() } }
        defer { state.withLock { $0.isStopped = true } }
        try await body()
        state.withLock { $0.isStopped = true }
        for task in tasks { await task.value }
    }

    private func ask() async {
        var request = HTTPClientRequest(url: "http://127.0.0.1:\(port)/health")
        request.headers.add(name: "connection", value: "close")
        while !state.withLock({ $0.isStopped }) {
            do {
                let response = try await Self.client.execute(request, timeout: .seconds(20))
                _ = try await response.body.collect(upTo: 1 << 16)
                state.withLock { $0.figures.answered += 1 }
            } catch {
                state.withLock { $0.figures.failed.append("\(error)") }
            }
            try? await Task.sleep(for: .milliseconds(5))
        }
    }
}
