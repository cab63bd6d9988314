// SPDX-License-Identifier: Apache-2.0

/// When a folder of plugins that somebody works on may be read: after a moment without any event, when no file in it is
/// open for writing, and the files stay as they are.
///
/// Decides only; `PluginWatch` performs it. Times are of any steady clock.
struct PluginSettling: Equatable {
    /// What happened to a file, or to the folder itself.
    enum Event: Equatable {
        /// It came into being by open(2), with its content to follow, or by link(2), with it.
        case created(String)
        case written(String)
        /// Whole: a writer closed it, or it was renamed to here.
        case completed(String)
        /// Renamed away or removed.
        case gone(String)
        /// Rights or times of a file, or the folder as a whole; also: events were lost.
        case changed
        /// Nothing that was known holds any more.
        case restarted
    }

    enum Action: Equatable {
        /// Nothing to do until then, or until an event.
        case wait(until: Duration?)
        /// Compare the files with what they were; `looked` follows.
        case look
        case settled
    }

    /// Without events.
    static let quiet = Duration.milliseconds(500)
    /// Twice in that time the files are looked at.
    private static let half = Duration.milliseconds(250)

    private enum State: Equatable {
        case idle
        /// `next`: when to look again; `seen`: what the last look found.
        case unsettled(next: Duration, seen: Fingerprint?)
    }

    private var state = State.idle
    /// Open for writing, as far as events tell; true: only created.
    private var unfinished: [String: Bool] = [:]

    /// Files that a writer hasn't closed yet.
    var writing: [String] { unfinished.keys.sorted() }

    /// A file that no loader will look at doesn't matter.
    static func isPlugin(_ name: String) -> Bool { name.hasSuffix(".so") && !name.hasPrefix(".") }

    mutating func happened(_ event: Event, at now: Duration) {
        switch event {
        case .created(let name), .written(let name), .completed(let name), .gone(let name):
            guard Self.isPlugin(name) else { return }
        case .changed: break
        case .restarted: unfinished = [:]
        }
        switch event {
        case .created(let name): unfinished[name] = true
        case .written(let name): unfinished[name] = false
        case .completed(let name), .gone(let name): unfinished[name] = nil
        case .changed, .restarted: break
        }
        state = .unsettled(next: now + Self.half, seen: nil)
    }

    /// What to do now.
    func next(at now: Duration) -> Action {
        guard case .unsettled(let next, _) = state else { return .wait(until: nil) }
        return now < next ? .wait(until: next) : .look
    }

    /// A look found the files so.
    mutating func looked(_ found: Fingerprint, at now: Duration) -> Action {
        guard case .unsettled(_, let seen) = state else { return .wait(until: nil) }
        // A hard link has its content from the start, and nobody closes it; what cp has just made is empty.
        for (name, isNew) in unfinished where isNew && (found.files[name]?.size ?? 0) > 0 { unfinished[name] = nil }
        guard unfinished.isEmpty, seen == found else {
            state = .unsettled(next: now + Self.half, seen: found)
            return .wait(until: now + Self.half)
        }
        state = .idle
        return .settled
    }

    /// What tells that a file isn't what it was.
    struct Fingerprint: Equatable {
        struct File: Equatable {
            var inode: UInt64
            var size: Int64
            var modifiedNs: Int64
        }

        var files: [String: File] = [:]
    }
}
