// SPDX-License-Identifier: Apache-2.0

/// One plugin's way from a generation to the next: the new workers are all ready before the old ones drain, and the
/// first that ends before that undoes it.
struct RolloutStateMachine: Equatable {
    enum State: Equatable {
        /// The old generation works. `ready` of the last -> done; `ended` of any -> undone.
        case starting(waitingFor: Set<SlotID>)
        case done
        case undone(reason: String)
    }

    enum Action: Equatable {
        case drainOld
        case dropNew
    }

    private(set) var state: State

    /// `workers`: the slots of the new generation's workers; not empty.
    init(workers: Set<SlotID>) {
        precondition(!workers.isEmpty, "a roll-out has at least one worker")
        state = .starting(waitingFor: workers)
    }

    mutating func ready(_ id: SlotID) -> Action? {
        guard case .starting(var waitingFor) = state, waitingFor.remove(id) != nil else { return nil }
        state = waitingFor.isEmpty ? .done : .starting(waitingFor: waitingFor)
        return waitingFor.isEmpty ? .drainOld : nil
    }

    /// A new worker ended, ready or not: a generation of which one dies at once is not a better one.
    mutating func ended(cause: String) -> Action? {
        guard case .starting = state else { return nil }
        state = .undone(reason: cause)
        return .dropNew
    }
}
