// SPDX-License-Identifier: Apache-2.0
import NIOCore
import QueueCore
import WorkerLink

/// A broker in memory: the contract of `BrokerPort` in its shortest form, nothing durable.
///
/// Confined to the loop of its ports.
final class MemoryBroker {
    struct StoredItem {
        let id: UInt64
        let site: SiteName
        let new: NewItem
        /// Its place among items of one priority.
        var place: UInt64
        /// Milliseconds.
        var dueMs: Int64
        var attempts: UInt32 = 0
        var kills: UInt32 = 0
        var cursor: [UInt8] = []
        var mayBeDuplicate = false
        var isClaimed = false

        var lane: Lane { Lane(site: site, queue: new.queue, name: new.lane.isEmpty ? new.target : new.lane) }
    }

    /// An empty name stands for the whole queue of a site.
    struct Lane: Hashable {
        let site: SiteName
        let queue: QueueName
        var name = ""
    }

    /// A worker's claims.
    protocol Claimant: AnyObject {
        /// The item, claimed; it takes it if it has room.
        func wants(_ item: StoredItem) -> Bool
        func take(_ item: StoredItem)
        /// Delivers what it took.
        func flush()
    }

    static let maxRetries: UInt32 = 10

    private let loop: any EventLoop
    private let ordered: Set<QueueName>
    private let backoff = Backoff()
    private var random = SystemRandomNumberGenerator()
    private var items: [UInt64: StoredItem] = [:]
    private var last: UInt64 = 0
    private var dedupeKeys: Set<[String]> = []
    private var holds: [Lane: Int64] = [:]
    private var claimants: [any Claimant] = []
    private var willPump = false

    init(loop: any EventLoop, ordered: Set<QueueName>) {
        self.loop = loop
        self.ordered = ordered
    }

    private var nowMs: Int64 { Int64(NIODeadline.now().uptimeNanoseconds / 1_000_000) }

    func join(_ claimant: any Claimant) {
        claimants.append(claimant)
        touch()
    }

    func leave(_ claimant: any Claimant, claimed: some Sequence<UInt64>) {
        claimants.removeAll { $0 === claimant }
        for id in claimed {
            items[id]?.isClaimed = false
            items[id]?.mayBeDuplicate = true
        }
        touch()
    }

    func add(_ site: SiteName, _ new: [NewItem]) {
        for new in new {
            let key = [site.rawValue, new.queue.rawValue, new.dedupeKey]
            guard new.dedupeKey.isEmpty || dedupeKeys.insert(key).inserted else { continue }
            last += 1
            items[last] = StoredItem(id: last, site: site, new: new, place: last, dueMs: nowMs + Int64(new.delayMs))
        }
        touch()
    }

    func hold(_ lane: Lane, ms: UInt32) {
        holds[lane] = ms == 0 ? nil : nowMs + Int64(ms)
        touch()
    }

    func settle(_ id: UInt64, _ outcome: Outcome, _ staged: [NewItem]) {
        guard var item = items[id] else { return }
        item.isClaimed = false
        item.mayBeDuplicate = item.mayBeDuplicate || outcome.maybeDelivered
        switch outcome.code {
        case .done, .discard: items[id] = nil
        case .continue:
            last += 1
            item.place = last
            item.cursor = outcome.cursor
            item.attempts = 0
            items[id] = item
        case .giveBack: items[id] = item
        case .defer:
            item.dueMs = nowMs + max(1, Int64(outcome.delayMs))
            items[id] = item
        case .retry:
            item.attempts += 1
            let backoffMs = backoff.delayMs(attempt: Int64(item.attempts), using: &random)
            item.dueMs = nowMs + (outcome.delayMs > 0 ? Int64(outcome.delayMs) : backoffMs)
            items[id] = item.attempts > Self.maxRetries ? nil : item
        case .overdue:
            item.kills += 1
            items[id] = item.kills > Self.maxRetries ? nil : item
        }
        if outcome.code == .done || outcome.code == .continue { add(item.site, staged) }
        if outcome.holdMs > 0 {
            let lane = outcome.holdLane.isEmpty ? item.lane.name : outcome.holdLane
            hold(Lane(site: item.site, queue: item.new.queue, name: lane), ms: outcome.holdMs)
        }
        touch()
    }

    // MARK: - Claims

    /// Hands out what can be handed out, later: nobody is called from within.
    func touch() {
        guard !willPump else { return }
        willPump = true
        loop.assumeIsolated().execute {
            self.willPump = false
            self.pump()
        }
    }

    private func pump() {
        let now = nowMs
        let waiting = items.values.filter { !$0.isClaimed }
            .sorted { ($1.new.priority, $0.place) < ($0.new.priority, $1.place) }
        for item in waiting where item.dueMs <= now && !isHeld(item.lane, now: now) && isFirst(item) {
            guard let claimant = claimants.first(where: { $0.wants(item) }) else { continue }
            items[item.id]?.isClaimed = true
            claimant.take(item)
        }
        for claimant in claimants { claimant.flush() }
        let times = waiting.map(\.dueMs) + holds.values
        if let next = times.filter({ $0 > now }).min() {
            loop.assumeIsolated().scheduleTask(in: .milliseconds(next - now)) { self.touch() }
        }
    }

    private func isHeld(_ lane: Lane, now: Int64) -> Bool {
        [lane, Lane(site: lane.site, queue: lane.queue)].contains { holds[$0, default: 0] > now }
    }

    /// In an ordered queue a lane's items go one after the other.
    private func isFirst(_ item: StoredItem) -> Bool {
        !ordered.contains(item.new.queue) || !items.values.contains { $0.lane == item.lane && $0.place < item.place }
    }
}
