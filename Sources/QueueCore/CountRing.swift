// SPDX-License-Identifier: Apache-2.0

/// How much happened in the last ten spans of time: ten counters that are used round and round.
///
/// Counting one costs a division and an addition, and nothing is allocated. Pure: time comes in as milliseconds of one
/// steady clock.
package struct CountRing: Sendable {
    package static let spans = 10

    private let spanMs: Int64
    private var counts = InlineArray<10, UInt32>(repeating: 0)
    /// The span that is counted in now, since 1970; older ones lie behind it in the ring.
    private var span: Int64 = 0
    /// When the first was counted; 0 = none was yet.
    private var sinceMs: Int64 = 0

    /// Ten spans of so many milliseconds.
    package init(spanMs: Int64 = 1000) { self.spanMs = max(1, spanMs) }

    package mutating func add(_ number: Int, nowMs: Int64) {
        advance(nowMs)
        let place = Int(span % 10)
        counts[place] = UInt32(clamping: Int64(counts[place]) + Int64(number))
    }

    /// In the last nine to ten spans.
    package mutating func total(nowMs: Int64) -> Int64 {
        guard sinceMs > 0 else { return 0 }
        advance(nowMs)
        var sum: Int64 = 0
        for index in counts.indices { sum += Int64(counts[index]) }
        return sum
    }

    /// Over the time that the ring covers, or since the first was counted, but never less than a second.
    package mutating func perSecond(nowMs: Int64) -> Double {
        let total = total(nowMs: nowMs)
        guard total > 0 else { return 0 }
        let covered = min(nowMs - (span - 9) * spanMs, nowMs - sinceMs)
        return Double(total) * 1000 / Double(max(1000, covered))
    }

    /// A clock that goes back counts in the span that it had come to.
    private mutating func advance(_ nowMs: Int64) {
        let now = nowMs / spanMs
        if sinceMs == 0 {
            sinceMs = max(1, nowMs)
            span = now
        }
        guard now > span else { return }
        for past in 1...min(10, now - span) { counts[Int((span + past) % 10)] = 0 }
        span = now
    }
}
