// SPDX-License-Identifier: Apache-2.0
import PluginABI
import Synchronization

/// Notes when the host's loop goes into plugin code and comes out, so that the watchdog's thread can see one that doesn't.
///
/// Written by the loop, read by the watchdog: atomics, relaxed, since a look that is a moment old does no harm.
final class EntryWatch: Sendable {
    /// What of the plugin is called.
    enum Place: UInt8 {
        case initialize, shutdown, siteOpen, siteReconfigure, siteDrain, siteClose, handle, cancel, callback

        /// As a log line names it.
        var word: String {
            switch self {
            case .initialize: "init()"
            case .shutdown: "shutdown()"
            case .siteOpen: "site_open()"
            case .siteReconfigure: "site_reconfigure()"
            case .siteDrain: "site_drain()"
            case .siteClose: "site_close()"
            case .handle: "handle()"
            case .cancel: "cancel()"
            case .callback: "a callback"
            }
        }
    }

    /// What the watchdog saw.
    struct Sighting {
        var place: Place
        var token: hostd_token
        var enteredNs: Int64
    }

    /// A [serial] call should return within this.
    static let politeNs: Int64 = 100_000_000

    /// 0 = outside.
    private let enteredNs = Atomic<Int64>(0)
    private let place = Atomic<UInt8>(0)
    private let token = Atomic<UInt64>(0)
    /// The first deadline of what is, or was lately, in flight; the loop can't look after it while it is inside.
    private let earliestDeadlineNs = Atomic<Int64>(.max)

    /// Nothing else of the host runs on the loop meanwhile.
    ///
    /// On the loop.
    var isInside: Bool { enteredNs.load(ordering: .relaxed) != 0 }

    /// The plugin, or a site, is being started.
    ///
    /// Any thread.
    var isStarting: Bool {
        switch Place(rawValue: place.load(ordering: .relaxed)) {
        case .initialize, .siteOpen, .siteReconfigure: true
        default: false
        }
    }

    func enter(_ place: Place, token: hostd_token) {
        self.place.store(place.rawValue, ordering: .relaxed)
        self.token.store(token, ordering: .relaxed)
        enteredNs.store(HostClock.monotonicNs(), ordering: .relaxed)
    }

    /// Nanoseconds since `enter`.
    func leave() -> Int64 {
        let elapsed = HostClock.monotonicNs() - enteredNs.load(ordering: .relaxed)
        enteredNs.store(0, ordering: .relaxed)
        return elapsed
    }

    /// On the loop.
    func noteDeadline(_ ns: Int64) {
        if ns < earliestDeadlineNs.load(ordering: .relaxed) { earliestDeadlineNs.store(ns, ordering: .relaxed) }
    }

    func forgetDeadlines() { earliestDeadlineNs.store(.max, ordering: .relaxed) }

    /// Non-nil where the loop has been inside for longer than it may: past the first deadline of what is in flight, or,
    /// with nothing in flight, past `patienceNs`.
    ///
    /// Any thread.
    func stuck(nowNs: Int64, patienceNs: Int64) -> Sighting? {
        let entered = enteredNs.load(ordering: .relaxed)
        guard entered != 0, nowNs - entered > Self.politeNs else { return nil }
        let deadline = min(earliestDeadlineNs.load(ordering: .relaxed), entered + patienceNs)
        guard nowNs > deadline else { return nil }
        let place = Place(rawValue: place.load(ordering: .relaxed)) ?? .callback
        return Sighting(place: place, token: token.load(ordering: .relaxed), enteredNs: entered)
    }
}
