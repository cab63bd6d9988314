// SPDX-License-Identifier: Apache-2.0
import DequeModule
import QueueCore
import QueueStore
import WorkerLink

// Items that a worker has of a broker that is gone.
extension Dispatcher {
    /// Counts an item as claimed by the worker that has it, if it is still what that worker was given.
    ///
    /// Only while nothing has been handed out yet. nil: it isn't the worker's any more.
    func adopt(_ row: StoredItem, _ held: HeldDelivery, by consumer: any Consumer) -> ActiveItem? {
        guard row.seq == held.place, row.attempts + 1 == Int64(held.attempt), let name = names[row.queue] else {
            return nil
        }
        let line = line(row.queue, name: name)
        let source = source(line, row.site)
        forget(row, of: source)
        let item = ActiveItem(row, source: source, isOlderThanBroker: true)
        let now = clock.steadyMs
        let lane = freeLane(of: item, now: now)
        if row.state == .parked {
            adoptedFromLanes.insert(row.id)
            item.isAdoptedFromLane = lane == nil
        } else {
            adopted[row.id] = row.seq
        }
        if item.isSuspect {
            item.isHunted = true
            line.hunted += 1
            haveSuspectsChanged = true
            if !consumer.isHunter { consumer.isHunting = true }
        }
        start(item, in: lane, now: now)
        source.holder = consumer
        return item
    }

    /// It came into memory from the store already.
    private func forget(_ row: StoredItem, of source: Source) {
        let isMeant = { (item: ActiveItem) in item.row.id == row.id }
        source.removeAll(where: isMeant)
        source.line.suspects.removeAll(where: isMeant)
        guard let hash = row.lane, let lane = lanes[hash] else { return }
        for item in lane.pending where isMeant(item) { lane.leave(item) }
        lane.pending.removeAll(where: isMeant)
    }
}
