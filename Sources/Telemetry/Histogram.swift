// SPDX-License-Identifier: Apache-2.0

/// Counts of observations below fixed bounds.
package struct Histogram: Codable, Hashable, Sendable {
    /// Upper bounds, rising, each within its bucket (Prometheus' `le`).
    package let bounds: [Double]
    /// Per bucket, not cumulative; one more than `bounds`: the last is beyond all of them.
    package private(set) var counts: [UInt64]
    package private(set) var sum: Double = 0

    package init(bounds: [Double]) {
        self.bounds = bounds
        counts = Array(repeating: 0, count: bounds.count + 1)
    }

    package var count: UInt64 { counts.reduce(0, +) }

    package mutating func observe(_ value: Double) {
        guard value.isFinite else { return }
        counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
        sum += value
    }

    /// Adds what another process observed; one with other bounds (an older build, while it drains) is left out.
    package mutating func merge(_ other: Histogram) {
        guard other.bounds == bounds, other.counts.count == counts.count else { return }
        for index in counts.indices { counts[index] += other.counts[index] }
        sum += other.sum
    }
}
