// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization
import TestSupport

/// A producer that goes on until it is told to stop.
///
/// Each item counts once its RECEIPT is there: it is on disk then.
final class SteadyLoad: Sendable {
    private let isOn = Flag()
    private let task: Task<Int, any Error>
    private let progress = Progress()

    /// How many are on disk so far.
    var count: Int { progress.value }

    /// `target`, `body`: of item 1, 2, ...
    init(
        port: Int,
        queue: String,
        every pause: Duration,
        target: @escaping @Sendable (Int) -> String = { _ in "" },
        body: @escaping @Sendable (Int) -> String
    ) {
        task = Task { [isOn, progress] in
            let client = try await StompTestClient.connect(port: port)
            try await client.connect()
            var sent = 0
            while isOn.value {
                let id = sent + 1
                try await client.send(
                    "SEND",
                    [
                        "destination": "/queue/statusnet/main", "site": Installation.site, "queue": queue,
                        "target": target(id), "receipt": "\(id)",
                    ],
                    body: body(id)
                )
                try await client.receipt("\(id)")
                sent = id
                progress.set(id)
                try await Task.sleep(for: pause)
            }
            return sent
        }
    }

    /// How many there were.
    func stop() async throws -> Int {
        isOn.clear()
        return try await task.value
    }
}

/// The longest time in which a file didn't grow, seen from outside.
final class PauseMeter: Sendable {
    private let isOn = Flag()
    private let task: Task<Duration, Never>

    init(_ path: String) {
        task = Task { [isOn] in
            var (longest, size, since) = (Duration.zero, Int64(-1), ContinuousClock.now)
            while isOn.value {
                var status = stat()
                if stat(path, &status) == 0, Int64(status.st_size) != size {
                    // Before the first line nothing is a pause.
                    if size > 0 { longest = max(longest, ContinuousClock.now - since) }
                    (size, since) = (Int64(status.st_size), ContinuousClock.now)
                }
                try? await Task.sleep(for: .milliseconds(10))
            }
            return longest
        }
    }

    func stop() async -> Duration {
        isOn.clear()
        return await task.value
    }
}

private final class Flag: Sendable {
    private let state = Mutex(true)
    var value: Bool { state.withLock { $0 } }
    func clear() { state.withLock { $0 = false } }
}

private final class Progress: Sendable {
    private let state = Mutex(0)
    var value: Int { state.withLock { $0 } }
    func set(_ value: Int) { state.withLock { $0 = value } }
}
