// SPDX-License-Identifier: Apache-2.0

public import PluginKit

/// A fake host's clock: it stands still until a test moves it, and fires what becomes due on the way.
public final class VirtualClock: Sendable {
    private struct Entry {
        let id: Int64
        var due: Int64
        let period: Int64?
        let action: @Sendable () -> Void
    }

    private struct State {
        var now: Int64 = 1_800_000_000_000
        var nextID: Int64 = 0
        var entries: [Entry] = []
    }

    private let state = Locked(State())

    init() {}

    /// What the host says the time is.
    public var now: UnixTime { UnixTime(milliseconds: state.withLock { $0.now }) }

    /// Moves the clock forward; timers fire in order, each with the clock at its own time, before this returns.
    public func advance(by duration: Duration) async {
        let end = state.withLock { $0.now + Int64(duration.wholeMilliseconds) }
        while let action = next(until: end) { await HostThread.run(action) }
        state.withLock { $0.now = end }
    }

    /// How many timers wait, those of slow answers included.
    public var timerCount: Int { state.withLock { $0.entries.count } }

    func schedule(after delay: Int64, period: Int64? = nil, _ action: @escaping @Sendable () -> Void) -> Int64 {
        state.withLock { state in
            state.nextID += 1
            state.entries.append(
                Entry(id: state.nextID, due: state.now + delay, period: period, action: action)
            )
            return state.nextID
        }
    }

    func remove(_ id: Int64) { state.withLock { $0.entries.removeAll { $0.id == id } } }

    private func next(until end: Int64) -> (@Sendable () -> Void)? {
        state.withLock { state in
            let due = state.entries.indices.filter { state.entries[$0].due <= end }
            guard let index = due.min(by: { state.entries[$0].due < state.entries[$1].due }) else { return nil }
            let entry = state.entries[index]
            state.now = max(state.now, entry.due)
            if let period = entry.period {
                state.entries[index].due += max(period, 1)
            } else {
                state.entries.remove(at: index)
            }
            return entry.action
        }
    }
}
