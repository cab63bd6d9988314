// SPDX-License-Identifier: Apache-2.0
import DequeModule
import QueueCore
import QueueStore

/// A target's order within a site and queue, while it is active: it has something in flight, in memory or on its way to
/// the store.
///
/// The state machine decides; `LaneTable` moves items between memory and store.
final class Lane {
    /// Items that wait in memory for a place; more go to the store.
    static let pendingLimit = 8
    static let backlogPage = 16

    let hash: LaneHash
    let key: String
    unowned let source: Source
    var machine: LaneStateMachine
    var pending = Deque<ActiveItem>()
    /// The store has parked items of it, or gets some.
    var hasBacklog = false
    /// Its row is in the store, or on its way there.
    var isSaved = false
    var isLoading = false
    /// Items in memory or claimed: those that came from the store are still parked there.
    var active: Set<Int64> = []
    /// Counts parked items, so that a page that was read before one was parked isn't taken for the end.
    var parkings = 0
    /// Parked behind this id are those not in memory.
    ///
    /// 0: from the start.
    var lastLoadedID: Int64 = 0
    /// Probes take turns, so that one item that always fails doesn't stand for the target.
    var lastProbedID: Int64 = 0
    /// In `source.unblocked` or `source.retrying`.
    var isListed = false
    var reason = ""

    init(hash: LaneHash, key: String, source: Source, machine: LaneStateMachine) {
        self.hash = hash
        self.key = key
        self.source = source
        self.machine = machine
    }

    func stored(nowMs: Int64) -> StoredLane {
        let isOpen: Bool
        switch machine.circuit {
        case .open, .halfOpen: isOpen = true
        case .closed, .held: isOpen = false
        }
        return StoredLane(
            hash: hash,
            queue: source.queue,
            site: source.site,
            key: key,
            isOpen: isOpen,
            // A closed lane with parked items is looked after in memory; only a crash leaves that to its row.
            nextAttemptMs: machine.nextAttemptMs ?? (nowMs + LaneTable.leaseMs),
            openings: machine.openings,
            reason: reason
        )
    }
}
