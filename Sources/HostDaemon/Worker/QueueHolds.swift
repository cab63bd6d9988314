// SPDX-License-Identifier: Apache-2.0
import QueueCore
import WorkerLink

/// The queues that plugins hold: told again to a broker that comes, or comes back, later than the hold.
///
/// Pure. Lanes aren't among them: the broker keeps those that are shut, in its store.
struct QueueHolds {
    private struct Key: Hashable {
        let site: SiteName
        let queue: QueueName
    }

    private var holds: [Key: (untilMs: Int64, text: String)] = [:]

    /// `ms` 0 lets it go.
    mutating func note(_ site: SiteName, _ queue: QueueName, ms: UInt32, text: String, nowMs: Int64) {
        holds[Key(site: site, queue: queue)] = ms == 0 ? nil : (nowMs + Int64(ms), text)
    }

    /// What is left of each.
    mutating func inForce(nowMs: Int64) -> [LinkMessage] {
        holds = holds.filter { $0.value.untilMs > nowMs }
        return holds.map { key, hold in
            .hold(
                site: key.site,
                queue: key.queue,
                lane: "",
                ms: UInt32(clamping: hold.untilMs - nowMs),
                text: hold.text
            )
        }
    }
}
