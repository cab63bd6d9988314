// SPDX-License-Identifier: Apache-2.0

/// How long a slot waits before its next process: `queue.spawndelay`, then twice as long each time, while it keeps dying.
struct RespawnBackoff: Equatable {
    static let limit = Duration.seconds(60)
    /// A process that was ready for so long had nothing wrong with it: the next death is a first one again.
    static let healthy = Duration.seconds(60)
    /// What is doubled where `spawndelay` is less, so that 0 isn't a busy loop.
    private static let leastDoubled = Duration.milliseconds(100)

    /// The first wait.
    var base: Duration
    private(set) var deaths = 0
    /// It is there to die of what it tries: only a process that never was ready makes the next one wait longer.
    var isExpendable = false

    init(base: Duration) { self.base = base }

    mutating func forgive() { deaths = 0 }

    /// A process ended that had been ready for `lifetime`, zero if it never was.
    mutating func delay(afterLifeOf lifetime: Duration) -> Duration {
        if lifetime >= Self.healthy || (isExpendable && lifetime > .zero) { deaths = 0 }
        defer { deaths += 1 }
        guard deaths > 0 else { return min(base, Self.limit) }
        // 2^10 times 100 ms is past the limit.
        return min(max(base, Self.leastDoubled) * (1 << min(deaths, 10)), Self.limit)
    }
}
