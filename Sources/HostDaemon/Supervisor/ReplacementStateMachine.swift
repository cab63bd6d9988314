// SPDX-License-Identifier: Apache-2.0

/// How a worker that grew past its soft limit gives its place to a fresh process.
///
/// The fresh one is ready before the old one drains; but one that serves a queue for one worker per site ends first.
struct ReplacementStateMachine: Equatable {
    enum State: Equatable {
        /// Both are wanted. `newReady`, `oldEnded` -> done; `newEnded` -> failed.
        case starting
        /// Neither is wanted yet: the old one drains. `oldEnded` -> done.
        case closing
        case done
        case failed
    }

    enum Event: Equatable, CaseIterable {
        case newReady
        case newEnded
        /// As asked, or by a death of its own.
        case oldEnded
    }

    enum Action: Equatable {
        /// The place is the new one's: it is started, if it isn't yet, and the old one drains, if it still runs.
        case succeed
        /// The old one goes on.
        case giveUp
    }

    private(set) var state: State

    init(endsFirst: Bool) { state = endsFirst ? .closing : .starting }

    var wantsOld: Bool { state == .starting || state == .failed }
    var wantsNew: Bool { state == .starting || state == .done }

    mutating func handle(_ event: Event) -> Action? {
        switch (state, event) {
        case (.starting, .newReady), (.starting, .oldEnded), (.closing, .oldEnded):
            state = .done
            return .succeed
        case (.starting, .newEnded):
            state = .failed
            return .giveUp
        case (.closing, .newReady), (.closing, .newEnded), (.done, _), (.failed, _):
            return nil
        }
    }
}

/// The processes that followed each other in a worker's place.
struct Renewals: Equatable {
    /// The number of the one that works now.
    private(set) var current = 0
    /// A next one is on its way.
    private(set) var replacement: ReplacementStateMachine?
    /// One that needs more than its limit at once isn't replaced each second.
    private var backoff = RespawnBackoff(base: .zero)
    private var notBefore = Duration.zero

    /// Which processes the place is to have.
    var wanted: [Int] {
        guard let replacement else { return [current] }
        return (replacement.wantsOld ? [current] : []) + (replacement.wantsNew ? [current + 1] : [])
    }

    /// False where one is on its way, or it is too soon after the last.
    mutating func begin(endsFirst: Bool, livedFor lifetime: Duration, now: Duration) -> Bool {
        guard replacement == nil, now >= notBefore else { return false }
        notBefore = now + max(backoff.delay(afterLifeOf: lifetime), .zero)
        replacement = ReplacementStateMachine(endsFirst: endsFirst)
        return true
    }

    mutating func handle(_ event: ReplacementStateMachine.Event) -> ReplacementStateMachine.Action? {
        guard let action = replacement?.handle(event) else { return nil }
        replacement = nil
        if action == .succeed { current += 1 }
        return action
    }
}
