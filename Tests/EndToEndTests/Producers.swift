// SPDX-License-Identifier: Apache-2.0
import Synchronization
import TestSupport

/// Producers that post notices all the time: each notice until its receipt, over as many connections as that takes.
///
/// Half of them stay connected for as long as they are let, the others connect anew for each notice.
final class Producers: Sendable {
    struct Figures: Sendable {
        /// Notices that have their receipt.
        var confirmed: Set<Int> = []
        /// Of those, the ones that were sent more than once.
        var sentAgain: Set<Int> = []
        /// Connections that were not taken, with the reason.
        var refused: [String] = []
        /// Connections that ended under a producer.
        var lost = 0
    }

    private struct State {
        var figures = Figures()
        var next = 0
        var isStopped = false
        var tasks: [Task<Void, Never>] = []
    }

    private let state = Mutex(State())
    private let port: Int

    var figures: Figures { state.withLock { $0.figures } }

    init(port: Int) { self.port = port }

    func start(_ count: Int = 4) {
        let tasks = (0..<count).map { number in
            Task { await self.post(staysConnected: number % 2 == 0) }
        }
        state.withLock { $0.tasks = tasks }
    }

    /// Ends after the notices that are on their way.
    func stop() async {
        let tasks = state.withLock { state in
            state.isStopped = true
            return state.tasks
        }
        for task in tasks { await task.value }
    }

    private func post(staysConnected: Bool) async {
        var client: StompTestClient?
        while let notice = take() {
            var tries = 0
            while !Task.isCancelled {
                tries += 1
                do {
                    let connection: StompTestClient = if let client { client } else { try await connected() }
                    client = connection
                    try await connection.send(
                        "SEND",
                        [
                            "destination": "/queue/statusnet/main", "site": Installation.site, "queue": "notice",
                            "receipt": "\(notice)",
                        ],
                        body: Installation.notice(notice)
                    )
                    try await connection.receipt("\(notice)")
                    break
                } catch is Refused {
                    client = nil
                    // It is counted; the test fails by it, not by an endless loop.
                    if tries > 20 { return }
                } catch {
                    client = nil
                    state.withLock { $0.figures.lost += 1 }
                }
            }
            state.withLock { state in
                state.figures.confirmed.insert(notice)
                if tries > 1 { state.figures.sentAgain.insert(notice) }
            }
            if !staysConnected {
                try? await client?.drop()
                client = nil
            }
            try? await Task.sleep(for: .milliseconds(20))
        }
    }

    private func take() -> Int? {
        state.withLock { state in
            guard !state.isStopped else { return nil }
            state.next += 1
            return state.next
        }
    }

    private struct Refused: Error {}

    private func connected() async throws -> StompTestClient {
        let client: StompTestClient
        do {
            client = try await StompTestClient.connect(port: port)
        } catch {
            state.withLock { $0.figures.refused.append("\(error)") }
            throw Refused()
        }
        try await client.connect()
        return client
    }
}
