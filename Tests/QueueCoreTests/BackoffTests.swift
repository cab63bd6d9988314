// SPDX-License-Identifier: Apache-2.0
import QueueCore
import Testing
import TestSupport

@Suite struct BackoffTests {
    private func longest(_ backoff: Backoff, _ attempt: Int64) -> Int64 {
        var random = LongestRandom()
        return backoff.delayMs(attempt: attempt, using: &random)
    }

    @Test("The longest wait doubles with each attempt, from the base to the cap")
    func growth() {
        let waits = (1...14).map { longest(Backoff(), Int64($0)) }
        let expected: [Int64] = [
            2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 512_000, 1_024_000, 2_048_000, 3_600_000,
            3_600_000, 3_600_000,
        ]
        #expect(waits == expected)
    }

    @Test("By default no wait is longer than an hour, however many attempts there were")
    func hour() {
        for attempt in [Int64(20), 32, 33, 41, 62, 63, 64, 65, 1_000_000, .max - 1, .max] {
            #expect(longest(Backoff(), attempt) == 3_600_000, "attempt \(attempt)")
        }
    }

    @Test("An attempt below the first counts as the first", arguments: [Int64.min, -1, 0, 1])
    func belowFirst(_ attempt: Int64) {
        #expect(longest(Backoff(), attempt) == 2_000)
    }

    @Test("A wait is drawn between a tenth of the longest and the longest, and not always the same")
    func jitter() {
        var random = SeededRandom()
        let backoff = Backoff(baseMs: 2_000, capMs: 60_000)
        for attempt in Int64(1)...40 {
            let ceiling = longest(backoff, attempt)
            var seen: Set<Int64> = []
            for _ in 0..<200 {
                let wait = backoff.delayMs(attempt: attempt, using: &random)
                #expect(wait >= ceiling / 10 && wait <= ceiling, "attempt \(attempt): \(wait) of \(ceiling)")
                seen.insert(wait)
            }
            #expect(seen.count > 20, "attempt \(attempt)")
        }
    }

    @Test(
        "A later attempt never waits less, also where the product doesn't fit 64 bits",
        arguments: [
            Backoff(baseMs: 1, capMs: .max), Backoff(baseMs: 3, capMs: 1 << 62),
            Backoff(baseMs: 1 << 33, capMs: 1 << 40),
            Backoff(baseMs: 1 << 62, capMs: .max), Backoff(baseMs: .max, capMs: .max),
            Backoff(baseMs: 10_000, capMs: 50),
        ]
    )
    func monotonic(_ backoff: Backoff) {
        let waits = (Int64(1)...130).map { longest(backoff, $0) }
        #expect(waits[0] == min(backoff.baseMs, backoff.capMs))
        #expect(waits == waits.sorted())
        #expect(waits.allSatisfy { $0 > 0 && $0 <= backoff.capMs })
    }

    @Test(
        "A base or cap of nothing, or less, gives a wait of a millisecond at most rather than a trap",
        arguments: [
            Backoff(baseMs: 0, capMs: 0), Backoff(baseMs: 0, capMs: 1000), Backoff(baseMs: -5, capMs: 1000),
            Backoff(baseMs: 1000, capMs: -5), Backoff(baseMs: .min, capMs: .min),
        ]
    )
    func nothing(_ backoff: Backoff) {
        var random = SeededRandom(seed: 1)
        for attempt in [Int64(1), 2, 50] {
            let wait = backoff.delayMs(attempt: attempt, using: &random)
            #expect(wait >= 0 && wait <= 1)
        }
    }
}
