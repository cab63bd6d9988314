// SPDX-License-Identifier: Apache-2.0
import QueueCore

/// What may happen to one delivery between handle() being entered and its outcome being known, exactly once.
///
/// complete() may come from any thread and before handle() returns; whoever drives this holds the call table's lock.
struct HandlerCallStateMachine {
    enum State: Equatable {
        /// handle() runs. Legal: complete, returned, giveUp.
        case entered
        /// complete() came while handle() still runs; the job's memory stays until it returns. Legal: returned, giveUp.
        case completedEarly(Outcome)
        /// handle() returned PENDING. Legal: complete, giveUp.
        case pending
        /// The outcome is known. Legal: nothing more changes it.
        case finished
    }

    enum CompleteAction: Equatable {
        /// The delivery ends with it.
        case finish(Outcome)
        /// Taken; the delivery ends when handle() returns.
        case keep
        /// Dropped: it ended before.
        case stale
    }

    enum ReturnAction: Equatable {
        case finish(Outcome)
        /// As `finish`, but the plugin also returned an outcome, which is dropped: its bug, worth a warning.
        case finishDroppingReturned(Outcome)
        /// complete() is awaited.
        case await
        /// It was given up while handle() ran.
        case none
    }

    private(set) var state = State.entered

    mutating func complete(_ outcome: Outcome) -> CompleteAction {
        switch state {
        case .entered:
            state = .completedEarly(outcome)
            return .keep
        case .pending:
            state = .finished
            return .finish(outcome)
        case .completedEarly, .finished:
            return .stale
        }
    }

    /// handle() returned: an outcome, or nil for PENDING.
    mutating func returned(_ outcome: Outcome?) -> ReturnAction {
        switch state {
        case .entered:
            guard let outcome else {
                state = .pending
                return .await
            }
            state = .finished
            return .finish(outcome)
        case .completedEarly(let completed):
            state = .finished
            return outcome == nil ? .finish(completed) : .finishDroppingReturned(completed)
        case .pending:
            preconditionFailure("a handler call returned twice")
        case .finished:
            return .none
        }
    }

    /// The host ends it (deadline, end of a drain).
    ///
    /// False where its outcome is known already.
    mutating func giveUp() -> Bool {
        switch state {
        case .entered, .pending:
            state = .finished
            return true
        case .completedEarly, .finished:
            return false
        }
    }
}
