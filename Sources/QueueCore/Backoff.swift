// SPDX-License-Identifier: Apache-2.0

/// How long to wait before the next attempt: exponential with full jitter, so that what failed together doesn't come
/// back together, at most an hour, so that a target that is back gets its notices today.
package struct Backoff: Hashable, Sendable {
    /// Milliseconds that the first wait is at most.
    package var baseMs: Int64
    /// Milliseconds that any wait is at most.
    package var capMs: Int64

    package init(baseMs: Int64 = 2_000, capMs: Int64 = 3_600_000) {
        self.baseMs = baseMs
        self.capMs = capMs
    }

    /// Milliseconds before try `attempt` + 1; `attempt` counts from 1.
    ///
    /// At least a tenth of the longest wait: full jitter alone may pick 0, which is no backoff.
    package func delayMs(attempt: Int64, using random: inout some RandomNumberGenerator) -> Int64 {
        let doublings = min(max(attempt, 1) - 1, 62)
        let (longest, isBeyond) = baseMs.multipliedReportingOverflow(by: 1 << doublings)
        let ceiling = max(1, isBeyond ? capMs : min(capMs, longest))
        return Int64.random(in: (ceiling / 10)...ceiling, using: &random)
    }
}
