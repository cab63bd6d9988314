// SPDX-License-Identifier: Apache-2.0
import QueueCore
import QueueStore

/// What one turn of the loop wants written about items that were claimed or wait.
///
/// All of it may be written twice: where the disk was full, the whole batch is written again later.
struct WriteBatch: Sendable {
    struct Delay: Sendable {
        var id: Int64
        var dueMs: Int64
        var rank: Rank
        var counts: Counts
        var text: String
    }

    struct Park: Sendable {
        var id: Int64
        var rank: Rank
        var counts: Counts
        var text: String
    }

    struct Burial: Sendable {
        var id: Int64
        var reason: DeadReason
        var text: String
        var counts: Counts
        /// False: out of the way, and not among the dead letters.
        var isKept: Bool
    }

    var finished: [Int64] = []
    var removed: [Int64] = []
    var delays: [Delay] = []
    var parks: [Park] = []
    var burials: [Burial] = []
    var savedLanes: [StoredLane] = []
    /// A lane that is saved and removed in one batch was removed last.
    var removedLanes: Set<LaneHash> = []

    var isEmpty: Bool {
        finished.isEmpty && removed.isEmpty && delays.isEmpty && parks.isEmpty && burials.isEmpty && savedLanes.isEmpty
            && removedLanes.isEmpty
    }

    /// What was decided later goes behind.
    mutating func append(_ other: WriteBatch) {
        finished += other.finished
        removed += other.removed
        delays += other.delays
        parks += other.parks
        burials += other.burials
        savedLanes += other.savedLanes
        removedLanes.subtract(other.savedLanes.map(\.hash))
        removedLanes.formUnion(other.removedLanes)
    }

    /// Writes all of it; returns the lanes whose row had to stay, since something is parked there.
    func apply(to transaction: StoreTransaction, nowMs: Int64) throws(QueueStoreError) -> Set<LaneHash> {
        for lane in savedLanes { try transaction.save(lane: lane) }
        for id in finished { try transaction.finish(id, nowMs: nowMs) }
        for id in removed { try transaction.remove(id) }
        for delay in delays {
            try transaction.delay(
                delay.id,
                dueMs: delay.dueMs,
                rank: delay.rank,
                counts: delay.counts,
                text: delay.text
            )
        }
        for park in parks {
            try transaction.park(park.id, rank: park.rank, counts: park.counts, text: park.text)
        }
        for burial in burials {
            try transaction.bury(
                burial.id,
                reason: burial.reason,
                text: burial.text,
                counts: burial.counts,
                isKept: burial.isKept,
                nowMs: nowMs
            )
        }
        var kept: Set<LaneHash> = []
        for lane in removedLanes where try !transaction.remove(lane: lane) { kept.insert(lane) }
        return kept
    }
}
