// SPDX-License-Identifier: Apache-2.0

/// Holds retries to a share of all sends, so that the end of an outage isn't a second outage.
///
/// A token bucket: each fresh send adds a fifth of a token, each second adds `floorPerSecond`, each retry takes one.
package struct RetryBudget: Hashable, Sendable {
    package let share: Double
    package let floorPerSecond: Double
    package let capacity: Double
    private var tokens: Double
    private var lastMs: Int64

    package init(share: Double = 0.2, floorPerSecond: Double = 50, capacity: Double = 200, nowMs: Int64) {
        self.share = share
        self.floorPerSecond = floorPerSecond
        self.capacity = capacity
        tokens = capacity
        lastMs = nowMs
    }

    /// A first attempt went out.
    package mutating func sent() { tokens = min(capacity, tokens + share) }

    /// True: the retry may go out now.
    package mutating func take(nowMs: Int64) -> Bool {
        refill(nowMs)
        guard tokens >= 1 else { return false }
        tokens -= 1
        return true
    }

    /// Milliseconds until a retry may go out, where no fresh send brings it forward.
    package func waitMs() -> Int64 { tokens >= 1 ? 0 : Int64(((1 - tokens) / floorPerSecond * 1000).rounded(.up)) }

    private mutating func refill(_ nowMs: Int64) {
        // A clock that went back adds nothing, and takes nothing away.
        tokens = min(capacity, tokens + Double(max(0, nowMs - lastMs)) / 1000 * floorPerSecond)
        lastMs = nowMs
    }
}
