// SPDX-License-Identifier: Apache-2.0
import DequeModule
import QueueCore
import QueueStore

/// A target's order within a site and queue, while it is active: it has something in flight, in memory or on its way to
/// the store.
///
/// The state machine decides; `Dispatcher+Lanes` moves items between memory and store.
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
    /// Its row is being removed.
    ///
    /// Until that is known the lane stays in memory: an item may be parked behind it meanwhile.
    var isLeaving = false
    private(set) var isLoading = false
    /// Items in memory or claimed: those that came from the store are still parked there.
    private(set) var active: Set<Int64> = []
    /// Went out of `active` while a page was being read, which may have them still.
    private var goneWhileLoading: Set<Int64> = []
    /// Those of `active` that wait to be tried alone, or are.
    private var suspects: Set<Int64> = []
    /// Counts parked items, so that a page that was read before one was parked isn't taken for the end.
    var parkings = 0
    /// Probes take turns, so that one item that always fails doesn't stand for the target.
    var lastProbedID: Int64 = 0
    /// In `source.unblocked` or `source.retrying`.
    var isListed = false
    var reason = ""
    /// By an operator: nothing of it starts.
    ///
    /// Looked up once, when the lane comes into memory or the blocks change.
    var isBlocked = false
    /// When it failed last; steady milliseconds, 0 = never that is known.
    var failedMs: Int64 = 0

    init(hash: LaneHash, key: String, source: Source, machine: LaneStateMachine) {
        self.hash = hash
        self.key = key
        self.source = source
        self.machine = machine
    }

    /// Nothing of it is in memory, in flight, or about to be.
    var isIdle: Bool {
        machine.inFlight == 0 && pending.isEmpty && active.isEmpty && !isLoading && !isListed && !isLeaving
    }

    /// An item of it, started in turn, may start now: in an ordered queue nothing overtakes one that is tried alone.
    func canStart(nowMs: Int64) -> Bool {
        !isBlocked && (suspects.isEmpty || !source.line.isOrdered) && machine.canStart(nowMs: nowMs)
    }

    /// True where items should wait in the store rather than in memory.
    func isShut(nowMs: Int64) -> Bool { isBlocked || machine.isShut(nowMs: nowMs) }

    /// When something may start again; nil: now, or at the end of what is in flight.
    var nextAttemptMs: Int64? { isBlocked ? StoredLane.never : machine.nextAttemptMs }

    func enter(_ item: ActiveItem) { active.insert(item.row.id) }

    func enter(suspect item: ActiveItem) {
        enter(item)
        suspects.insert(item.row.id)
    }

    func leave(_ item: ActiveItem) {
        active.remove(item.row.id)
        suspects.remove(item.row.id)
        if isLoading { goneWhileLoading.insert(item.row.id) }
    }

    /// It waits in memory, in order of enqueue.
    func wait(_ item: ActiveItem) {
        enter(item)
        pending.insert(item, at: pending.firstIndex { $0.row.id > item.row.id } ?? pending.endIndex)
    }

    func beginLoading() { isLoading = true }

    /// Of a page that was read those that aren't in memory, and weren't since the read began.
    func endLoading(_ rows: [StoredItem]) -> [StoredItem] {
        isLoading = false
        defer { goneWhileLoading = [] }
        return rows.filter { !active.contains($0.id) && !goneWhileLoading.contains($0.id) }
    }

    func stored(nowMs: Int64) -> StoredLane {
        let state: StoredLane.State
        switch machine.circuit {
        case _ where isBlocked: state = .blocked
        case .open, .halfOpen: state = .open
        case .held(let untilMs): state = untilMs > nowMs ? .held : .closed
        case .closed: state = .closed
        }
        return StoredLane(
            hash: hash,
            queue: source.queue,
            site: source.site,
            key: key,
            state: state,
            // A closed lane with parked items is looked after in memory; only a crash leaves that to its row.
            nextAttemptMs: nextAttemptMs ?? (nowMs + LaneTable.leaseMs),
            openings: machine.openings,
            reason: isBlocked ? TargetBlock.reason : reason,
            failedMs: failedMs
        )
    }
}
