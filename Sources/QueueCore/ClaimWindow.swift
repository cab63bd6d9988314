// SPDX-License-Identifier: Apache-2.0

/// How many items of a queue a worker holds at once: up to its credit while it keeps up, fewer while they wait in it.
///
/// A worker that is slowed by its targets needs all its credit. One that is slowed by its own processor gains nothing from
/// more items, and a fresh notice would wait behind all of them: so the window shrinks while items wait in the worker
/// before their handler is called, and grows while they don't (the idea of LEDBAT, RFC 6817: delay says that a queue
/// builds up before anything is lost).
package struct ClaimWindow: Hashable, Sendable {
    /// Milliseconds that items may wait in a worker whose targets are fast.
    package static let targetMs: Int64 = 8
    /// Where it starts: two round trips are enough to reach 512.
    package static let initial = 128
    /// It never goes below: a worker must always have its next items at hand.
    package static let floor = 32

    package let credit: Int
    package private(set) var claimed = 0
    private var size: Double
    /// Items that were claimed when the window was last full: only their ends may widen it, since a worker with little to
    /// do has shown nothing.
    private var mayWiden = 0

    package init(credit: Int) {
        self.credit = max(0, credit)
        size = Double(min(self.credit, Self.initial))
    }

    package var limit: Int { min(credit, Int(size)) }
    package var room: Int { max(0, limit - claimed) }

    package mutating func take() {
        claimed += 1
        if claimed >= limit { mayWiden = claimed }
    }

    /// An item's delivery ended.
    ///
    /// `waitedMs` is how long it was there before its handler was called, `handledMs` how long it took from there: where
    /// the target is slow, a wait of half as much costs little, and more items in hand gain much.
    package mutating func end(waitedMs: Int64, handledMs: Int64) {
        claimed = max(0, claimed - 1)
        if waitedMs > max(Self.targetMs, handledMs / 2) {
            // A window's worth of late items takes off about two thirds.
            size = max(Double(min(credit, Self.floor)), size * (1 - 1 / max(size, 1)))
        } else if mayWiden > 0 {
            mayWiden -= 1
            // A window's worth of prompt ones doubles it.
            size = min(Double(credit), size + 1)
        }
    }
}
