// SPDX-License-Identifier: Apache-2.0
import QueueCore

/// One plugin's way from a generation to the next.
///
/// First the canary runs alone beside the old workers; then the rest of the new ones start; when all are ready the old
/// ones drain. Workers that serve a singleton queue can't stand side by side: those start only once the old ones drain,
/// and until they have shown that they work, the old code comes back. A newer file takes the place of one that hasn't
/// shown yet what it is worth.
struct RolloutStateMachine: Equatable {
    enum State: Equatable {
        /// The canary isn't ready yet. `ready` -> watching; `ended`, `siteFailed` -> undone; `superseded` -> gaveWay.
        case startingCanary
        /// It works beside the old generation. `observed` -> starting or undone; `timeUp` -> starting; `ended`,
        /// `siteFailed` -> undone; `superseded` -> gaveWay.
        case watching
        /// The old generation works. `ready` of the last -> handingOver or done; `ended`, `siteFailed` -> undone;
        /// `superseded` -> gaveWay.
        case starting(waitingFor: Set<SlotID>)
        /// The old generation drains, and then the singletons' workers start. `ready` of the last -> proving or done;
        /// `ended`, `siteFailed` -> rolledBack.
        case handingOver(waitingFor: Set<SlotID>)
        /// Nothing runs beside the new workers, but the old code can come back. `observed`, `timeUp` -> done or
        /// rolledBack; `ended`, `siteFailed` -> rolledBack; `superseded` -> gaveWay.
        case proving
        case done
        /// The old generation never stopped working.
        case undone(reason: String)
        /// The old code is started again.
        case rolledBack(reason: String)
        /// A newer file is rolled out in its place; nothing is said against this one.
        case gaveWay
    }

    enum Action: Equatable {
        /// The time of the canary begins.
        case watch
        case startRest
        /// Drain the old generation, start the singletons' workers; the roll-out goes on.
        case handOver
        /// Drain the old generation if it isn't drained: the roll-out is over.
        case finish
        case dropNew
        case startOld
        /// Forget it: the next roll-out begins where this one did.
        case giveWay
    }

    /// Deliveries of the canary after which it has shown enough.
    static let enoughDeliveries = 200

    private(set) var state: State
    /// Runs alone first; nil = nobody does.
    private(set) var canary: SlotID?
    /// The new workers that can stand beside the old ones.
    private var side: Set<SlotID>
    /// Those that can't: they serve singleton queues.
    private var late: Set<SlotID>
    private let isNewCode: Bool
    private let isWatched: Bool

    /// `side` in the order of start, `late` likewise; not both empty.
    ///
    /// `isWatched`: there is a canary; code that isn't new needs none.
    init(side: [SlotID], late: [SlotID], isNewCode: Bool, isWatched: Bool) {
        precondition(!side.isEmpty || !late.isEmpty, "a roll-out has at least one worker")
        self.side = Set(side)
        self.late = Set(late)
        self.isNewCode = isNewCode
        self.isWatched = isWatched && isNewCode
        canary = self.isWatched ? side.first ?? late.first : nil
        if side.isEmpty {
            state = .handingOver(waitingFor: Set(late))
        } else {
            state = self.isWatched ? .startingCanary : .starting(waitingFor: Set(side))
        }
    }

    /// What to do at the very beginning besides starting the workers that it `wants`.
    // Inlined into its callers' closures it crashes the optimizer of Swift 6.3 (an ownership error in `renewNext`).
    @inline(never)
    var firstAction: Action? { if case .handingOver = state { .handOver } else { nil } }

    /// Whether this new worker is to be there now.
    func wants(_ worker: SlotID) -> Bool {
        switch state {
        case .startingCanary, .watching: worker == canary
        case .starting: !late.contains(worker)
        case .handingOver, .proving, .done: true
        case .undone, .rolledBack, .gaveWay: false
        }
    }

    /// With `workers.isolate: group`: plugins in the same processes.
    func shares(_ other: RolloutStateMachine) -> Bool {
        !side.isDisjoint(with: other.side) || !late.isDisjoint(with: other.late)
    }

    var isWatching: Bool { state == .watching || state == .proving }

    /// Not while one generation hands over to the other.
    var canGiveWay: Bool {
        switch state {
        case .startingCanary, .watching, .starting, .proving: true
        case .handingOver, .done, .undone, .rolledBack, .gaveWay: false
        }
    }

    /// The old workers, of which none has been drained, still do all that isn't the canary's.
    var isOldAtWork: Bool { canGiveWay && state != .proving }

    mutating func ready(_ worker: SlotID) -> Action? {
        switch state {
        case .startingCanary where worker == canary:
            state = .watching
            return .watch
        case .starting(var waitingFor):
            guard waitingFor.remove(worker) != nil else { return nil }
            state = .starting(waitingFor: waitingFor)
            return waitingFor.isEmpty ? sideIsReady() : nil
        case .handingOver(var waitingFor):
            guard waitingFor.remove(worker) != nil else { return nil }
            state = .handingOver(waitingFor: waitingFor)
            return waitingFor.isEmpty ? allAreReady() : nil
        case .startingCanary, .watching, .proving, .done, .undone, .rolledBack, .gaveWay:
            return nil
        }
    }

    /// How the canary's deliveries ended up to now, beside the old workers'.
    mutating func observed(
        _ outcomes: [QueueName: OutcomeTally],
        against baseline: CanaryJudgement.Baseline
    ) -> Action? {
        guard isWatching else { return nil }
        if let complaint = CanaryJudgement.complaint(of: outcomes, against: baseline) { return fail(complaint) }
        let total = outcomes.values.reduce(0) { $0 + $1.total }
        return total >= Self.enoughDeliveries ? timeUp() : nil
    }

    /// The canary lives, and nothing that was seen speaks against it: no delivery at all speaks for it as well.
    mutating func timeUp() -> Action? {
        switch state {
        case .watching:
            let rest = side.subtracting(canary.map { [$0] } ?? [])
            guard !rest.isEmpty else { return sideIsReady() }
            state = .starting(waitingFor: rest)
            return .startRest
        case .proving:
            state = .done
            return .finish
        case .startingCanary, .starting, .handingOver, .done, .undone, .rolledBack, .gaveWay:
            return nil
        }
    }

    /// A new worker ended, ready or not: a generation of which one dies at once is not a better one.
    mutating func ended(cause: String) -> Action? { fail(cause) }

    /// A new worker can't open a site that the old generation could open.
    ///
    /// Where the code isn't new, it can't be the reason.
    mutating func siteFailed(_ reason: String) -> Action? { isNewCode ? fail(reason) : nil }

    /// A newer file has come.
    mutating func superseded() -> Action? {
        guard canGiveWay else { return nil }
        state = .gaveWay
        return .giveWay
    }

    /// The configuration has changed which workers there are: nobody waits for one that won't come.
    ///
    /// Parameters as at the beginning.
    mutating func replan(side newSide: [SlotID], late newLate: [SlotID]) -> Action? {
        let (oldSide, oldLate) = (side, late)
        guard !newSide.isEmpty || !newLate.isEmpty, Set(newSide) != oldSide || Set(newLate) != oldLate else {
            return nil
        }
        (side, late) = (Set(newSide), Set(newLate))
        switch state {
        case .startingCanary, .watching:
            if let canary, side.contains(canary) { return nil }
            canary = newSide.first ?? newLate.first
            state = .startingCanary
            return side.isEmpty ? sideIsReady() : nil
        case .starting(let waitingFor):
            let rest = side.subtracting(oldSide.subtracting(waitingFor))
            state = .starting(waitingFor: rest)
            return rest.isEmpty ? sideIsReady() : nil
        case .handingOver(let waitingFor):
            let rest = late.subtracting(oldLate.subtracting(waitingFor))
            state = .handingOver(waitingFor: rest)
            return rest.isEmpty ? allAreReady() : nil
        case .proving:
            if let canary, late.contains(canary) { return nil }
            canary = newLate.first ?? newSide.first
            state = .handingOver(waitingFor: late)
            return late.isEmpty ? allAreReady() : nil
        case .done, .undone, .rolledBack, .gaveWay:
            return nil
        }
    }

    private mutating func sideIsReady() -> Action {
        guard !late.isEmpty else {
            state = .done
            return .finish
        }
        state = .handingOver(waitingFor: late)
        return .handOver
    }

    private mutating func allAreReady() -> Action {
        // Where others stood beside the old generation, one of them was the canary.
        let isProven = !isWatched || !side.isEmpty
        state = isProven ? .done : .proving
        return isProven ? .finish : .watch
    }

    private mutating func fail(_ reason: String) -> Action? {
        switch state {
        case .startingCanary, .watching, .starting:
            state = .undone(reason: reason)
            return .dropNew
        case .handingOver, .proving:
            state = .rolledBack(reason: reason)
            return .startOld
        case .done, .undone, .rolledBack, .gaveWay:
            return nil
        }
    }
}
