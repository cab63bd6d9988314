// SPDX-License-Identifier: Apache-2.0
import Control

/// What of memory needs a person, as `queuectl status` says it: pure.
struct MemoryNeeds: Equatable, Sendable {
    /// Of each plugin, how many workers gave way or were ended for their size in the last hour.
    var outgrown: [String: Int] = [:]
    /// Of one worker, in bytes.
    var softLimit: Int64 = 0
    /// Bytes of all processes together.
    var resident: Int64 = 0
    var workers: Int64 = 0
    /// Of one worker: less no plugin can be expected to make do with.
    var least: Int64 = 0
    /// Bytes that hostd may use; nil: nobody knows.
    var available: Int64?

    /// One that grew once may have met a large item; more often it is the plugin, or the limit.
    static let often = 3

    var sentences: [String] {
        var all = outgrown.filter { $0.value >= Self.often }.sorted { $0.key < $1.key }.map { plugin, count in
            "Workers of \(plugin) grew past queue.softlimit (\(Figures.bytes(softLimit))) \(count) times in the last hour: "
                + "raise workers.memory_limit, or find what grows with queue.debug_memory."
        }
        guard let available, available > 0 else { return all }
        let advice = "fewer of them (workers.count, queue.breakout, workers.isolate: group), or more memory"
        // Workers are to leave a quarter of it to the others.
        if resident / 3 >= available / 4 {
            all.append(
                "hostd's processes use \(Figures.bytes(resident)) of the \(Figures.bytes(available)) that it may use, with "
                    + "\(Figures.count(workers)) workers: \(advice)."
            )
        } else if workers * least > available {
            all.append(
                "\(Figures.count(workers)) workers want at least \(Figures.bytes(least)) each, more than the "
                    + "\(Figures.bytes(available)) that hostd may use: \(advice)."
            )
        }
        return all
    }
}

/// When workers were replaced, or ended, for their size.
struct GrowthLog: Equatable {
    private static let kept = Duration.seconds(3600)
    private var moments: [String: [Duration]] = [:]

    /// `plugins`: with commas between them, where they share a process.
    mutating func note(_ plugins: String, at now: Duration) {
        moments[plugins] = (moments[plugins] ?? []).filter { now - $0 < Self.kept } + [now]
    }

    func lately(at now: Duration) -> [String: Int] {
        moments.mapValues { $0.count { now - $0 < Self.kept } }.filter { $0.value > 0 }
    }
}
