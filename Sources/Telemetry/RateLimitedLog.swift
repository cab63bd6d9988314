// SPDX-License-Identifier: Apache-2.0
package import QueueCore

/// Decides which lines that plugins log are written: what a plugin says beyond `limit` in a second is counted, and told
/// in one line afterwards.
///
/// A value without clock or I/O; its owner keeps it to one thread or under a lock.
package struct RateLimitedLog {
    package enum Decision: Hashable {
        case write
        case drop
        /// First say that so many lines were dropped.
        case writeAfter(dropped: Int)
    }

    private struct Window {
        var startMs: Int64
        var written = 0
        var dropped = 0
    }

    /// Lines of one plugin in `windowMs`.
    package static let defaultLimit = 100
    private static let windowMs: Int64 = 1000

    private let limit: Int
    private var windows: [PluginName: Window] = [:]

    package init(limit: Int = RateLimitedLog.defaultLimit) {
        precondition(limit > 0, "a log without lines")
        self.limit = limit
    }

    /// Judges one line; `nowMs` is the monotonic clock's.
    package mutating func admit(_ plugin: PluginName, nowMs: Int64) -> Decision {
        guard var window = windows[plugin], nowMs - window.startMs < Self.windowMs else {
            let dropped = windows[plugin]?.dropped ?? 0
            windows[plugin] = Window(startMs: nowMs, written: 1)
            return dropped > 0 ? .writeAfter(dropped: dropped) : .write
        }
        defer { windows[plugin] = window }
        if window.written < limit {
            window.written += 1
            return .write
        }
        window.dropped += 1
        return .drop
    }

    /// What has to be told of plugins that fell silent since; for a timer of a second or so, and before the end.
    package mutating func flush(nowMs: Int64) -> [(plugin: PluginName, dropped: Int)] {
        let ended = windows.filter { nowMs - $0.value.startMs >= Self.windowMs }
        for plugin in ended.keys { windows[plugin] = nil }
        return ended.filter { $0.value.dropped > 0 }.map { (plugin: $0.key, dropped: $0.value.dropped) }
            .sorted { $0.plugin < $1.plugin }
    }
}
