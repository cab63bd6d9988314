// SPDX-License-Identifier: Apache-2.0

/// The life of one slot: a place for one process at a time, which is refilled until it is drained.
///
/// Decides only; `Supervisor` performs the actions. A move that isn't legal changes nothing and asks for nothing.
struct SlotStateMachine: Equatable {
    enum State: Equatable {
        /// No process: the first, or the next one after a death, is to come.
        ///
        /// `spawned` -> starting; `drain`, `hurry` -> dead.
        case waiting
        /// `ready` -> ready; `drain` -> draining; `hang`, `hurry` -> killed; `ended` -> waiting.
        case starting
        /// `drain` -> draining; `hang`, `hurry` -> killed; `ended` -> waiting. `since` is the moment of `ready`.
        case ready(since: Duration)
        /// Finishes what is in flight. `hang`, `hurry` -> killed; `ended` -> dead.
        case draining
        /// SIGKILL is sent, the end not yet seen. `drain`, `hurry`: no next process; `ended` -> waiting or dead.
        case killed(isRefilled: Bool)
        /// No process, and none will come: the slot is removed.
        case dead
    }

    enum Input: Equatable {
        case spawned
        case spawnFailed
        case ready(at: Duration)
        /// The process is gone, for whatever reason.
        case ended(at: Duration)
        case drain
        /// It has no more time: a drain that takes too long, a second SIGTERM, a roll-out undone.
        case hurry
        /// It stopped answering.
        case hang
    }

    enum Action: Equatable {
        case spawn(after: Duration)
        case sendDrain
        case kill
        case remove
    }

    private(set) var state = State.waiting
    private(set) var backoff: RespawnBackoff

    init(spawnDelay: Duration) { backoff = RespawnBackoff(base: spawnDelay) }

    init(state: State, spawnDelay: Duration) {
        self.init(spawnDelay: spawnDelay)
        self.state = state
    }

    var hasProcess: Bool {
        switch state {
        case .waiting, .dead: false
        case .starting, .ready, .draining, .killed: true
        }
    }

    var isReady: Bool { if case .ready = state { true } else { false } }

    var isExpendable: Bool {
        get { backoff.isExpendable }
        set { backoff.isExpendable = newValue }
    }

    /// What its process died of won't happen to the next one.
    mutating func forgive() { backoff.forgive() }

    mutating func setSpawnDelay(_ delay: Duration) { backoff.base = delay }

    mutating func handle(_ input: Input) -> Action? {
        switch (state, input) {
        case (.waiting, .spawned):
            state = .starting
            return nil
        case (.waiting, .spawnFailed):
            return .spawn(after: backoff.delay(afterLifeOf: .zero))
        case (.waiting, .drain), (.waiting, .hurry):
            state = .dead
            return .remove
        case (.starting, .ready(let now)):
            state = .ready(since: now)
            return nil
        case (.starting, .drain), (.ready, .drain):
            state = .draining
            return .sendDrain
        case (.starting, .hang), (.ready, .hang):
            state = .killed(isRefilled: true)
            return .kill
        case (.draining, .hang), (.starting, .hurry), (.ready, .hurry), (.draining, .hurry):
            state = .killed(isRefilled: false)
            return .kill
        case (.killed(isRefilled: true), .drain), (.killed(isRefilled: true), .hurry):
            state = .killed(isRefilled: false)
            return nil
        case (.starting, .ended), (.killed(isRefilled: true), .ended):
            state = .waiting
            return .spawn(after: backoff.delay(afterLifeOf: .zero))
        case (.ready(let since), .ended(let now)):
            state = .waiting
            return .spawn(after: backoff.delay(afterLifeOf: now - since))
        case (.draining, .ended), (.killed(isRefilled: false), .ended):
            state = .dead
            return .remove
        case (.waiting, _), (.starting, _), (.ready, _), (.draining, _), (.killed, _), (.dead, _):
            return nil
        }
    }
}
