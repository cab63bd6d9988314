// SPDX-License-Identifier: Apache-2.0
import NIOConcurrencyHelpers

/// What happened, in order, noted from any thread; a test waits for an event with a time limit instead of sleeping.
///
/// `next` consumes events one by one; `first(where:)` looks at all of them, consumed or not. After `finish`, nothing
/// more comes, and who waits for what isn't there is told at once.
package final class EventLog<Event: Sendable>: Sendable {
    private struct State {
        var events: [Event] = []
        var consumed = 0
        var isFinished = false
        var nextWaiter = 0
        var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
    }

    private enum Look<Found> {
        case found(Found)
        case finished
        case notYet(seen: Int)
    }

    private let state = NIOLockedValueBox(State())

    package init() {}

    package var all: [Event] { state.withLockedValue { $0.events } }
    package var isFinished: Bool { state.withLockedValue { $0.isFinished } }

    package func append(_ event: Event) { append(contentsOf: CollectionOfOne(event)) }

    package func append(contentsOf events: some Collection<Event>) {
        wake { state in state.events.append(contentsOf: events) }
    }

    /// No event comes any more.
    package func finish() { wake { state in state.isFinished = true } }

    /// The oldest event that `next` hasn't returned yet.
    package func next(within limit: Duration = .seconds(20), _ what: String = "the next event") async throws -> Event {
        try await look(within: limit, what) { state in
            guard state.consumed < state.events.count else { return nil }
            state.consumed += 1
            return state.events[state.consumed - 1]
        }
    }

    /// The first event of all that matches.
    package func first(
        within limit: Duration = .seconds(20),
        _ what: String = "an event",
        where match: (Event) -> Bool
    ) async throws -> Event {
        try await look(within: limit, what) { state in state.events.first(where: match) }
    }

    /// All events, once there are at least `count`.
    package func first(
        _ count: Int,
        within limit: Duration = .seconds(20),
        _ what: String = "events"
    ) async throws -> [Event] {
        try await look(within: limit, "\(count) \(what)") { state in state.events.count >= count ? state.events : nil }
    }

    /// Returns when `finish` was called.
    package func finished(within limit: Duration = .seconds(20), _ what: String = "the end") async throws {
        try await look(within: limit, what) { state in state.isFinished ? () : nil }
    }

    private func wake(_ change: (inout State) -> Void) {
        let waiters = state.withLockedValue { state in
            change(&state)
            defer { state.waiters = [:] }
            return state.waiters.values
        }
        for waiter in waiters { waiter.resume() }
    }

    private func look<Found: Sendable>(
        within limit: Duration,
        _ what: String,
        _ find: (inout State) -> Found?
    ) async throws -> Found {
        let deadline = ContinuousClock.now + limit
        while true {
            let outcome: Look<Found> = state.withLockedValue { state in
                if let found = find(&state) { return .found(found) }
                return state.isFinished ? .finished : .notYet(seen: state.events.count)
            }
            switch outcome {
            case .found(let found): return found
            case .finished: throw TestSupportError.ended(waitingFor: what, seen: tail)
            case .notYet(let seen):
                guard ContinuousClock.now < deadline else {
                    throw TestSupportError.timeLimitPassed(waitingFor: what, after: limit, seen: tail)
                }
                await change(since: seen, until: deadline)
            }
        }
    }

    /// The last events, as the failure's text shows them.
    private var tail: String {
        let events = all
        return "\(events.count) events, the last: \(events.suffix(5).map { String(describing: $0) })"
    }

    /// Returns when there is more than the `seen` events, or at the deadline.
    private func change(since seen: Int, until deadline: ContinuousClock.Instant) async {
        let id = state.withLockedValue { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        let timer = Task { [state] in
            try? await Task.sleep(until: deadline, clock: .continuous)
            state.withLockedValue { $0.waiters.removeValue(forKey: id) }?.resume()
        }
        await withCheckedContinuation { continuation in
            let isStale = state.withLockedValue { state in
                if state.events.count > seen || state.isFinished || ContinuousClock.now >= deadline { return true }
                state.waiters[id] = continuation
                return false
            }
            if isStale { continuation.resume() }
        }
        timer.cancel()
    }
}
