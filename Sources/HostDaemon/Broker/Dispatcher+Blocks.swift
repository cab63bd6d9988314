// SPDX-License-Identifier: Apache-2.0
import QueueCore
import QueueStore

// Targets that an operator blocked. A lane in memory knows whether it is; one that isn't has a row that sleeps.
extension Dispatcher {
    /// From now on nothing starts for these; what is in a handler for them is to end soon.
    ///
    /// The rows of lanes that aren't in memory are the caller's (`StoreTransaction.apply`).
    func set(_ new: [TargetBlock]) {
        blocks = new
        blockedTargets = TargetBlocks(new)
        let now = clock.steadyMs
        for lane in Array(lanes.values) {
            let isBlocked = isBlocked(lane.key, lane.source)
            guard isBlocked != lane.isBlocked else { continue }
            lane.isBlocked = isBlocked
            if isBlocked {
                if lane.isSaved || !lane.isIdle { shut(lane) }
            } else {
                if lane.isSaved {
                    lane.hasBacklog = true
                    save(lane)
                }
                goOn(lane, now: now)
            }
        }
        // Suspects wait beside their lanes.
        touchAll()
        if !new.isEmpty { cancelClaimed { [self] item in isBlocked(item.row.target, item.source) } }
    }

    func isBlocked(_ target: String, _ source: Source) -> Bool {
        guard !blockedTargets.isEmpty else { return false }
        return blockedTargets.matches(target: target, site: names[source.site] ?? "")
    }

    /// An item whose lane is others' too waits by itself, until its target is unblocked.
    ///
    /// False: it may go on.
    func holdBlocked(_ item: ActiveItem, now: Int64) -> Bool {
        guard isBlocked(item.row.target, item.source) else { return false }
        batch.delays.append(
            WriteBatch.Delay(
                id: item.row.id,
                dueMs: now + Self.blockedWaitMs,
                rank: item.rank,
                counts: item.counts,
                text: TargetBlock.reason
            )
        )
        scheduleTurn()
        return true
    }

    /// It is looked at again after so long, and waits again.
    private static let blockedWaitMs: Int64 = 3_600_000

    func cancelClaimed(where isMeant: (ActiveItem) -> Bool) {
        var told: Set<ObjectIdentifier> = []
        for line in lines.values {
            for consumer in line.consumers where told.insert(ObjectIdentifier(consumer)).inserted {
                consumer.cancel(where: isMeant)
            }
        }
    }

    /// All lanes of this name that are in memory, or of which only the store knows: their back-off is over.
    ///
    /// An open circuit starts with a probe. Returns how many may start something now that couldn't before.
    func retryNow(_ rows: [StoredLane], key: String, isMeant: (Source) -> Bool) -> Int {
        var sources: [LaneHash: Source] = [:]
        for row in rows {
            guard let name = names[row.queue] else { continue }
            sources[row.hash] = source(line(row.queue, name: name), row.site)
        }
        for lane in lanes.values where lane.key == key { sources[lane.hash] = lane.source }
        let now = clock.steadyMs
        var count = 0
        for (hash, source) in sources where isMeant(source) {
            let lane = lanes[hash]
            if lane?.isBlocked == true || isBlocked(key, source) { continue }
            if let lane, lane.canStart(nowMs: now) || lane.nextAttemptMs == nil { continue }
            hold(source, key: key, ms: 0, text: "")
            count += 1
        }
        return count
    }
}
