// SPDX-License-Identifier: Apache-2.0
import DequeModule
import QueueCore
import QueueStore

// Items that may have killed a worker run one at a time, in a worker that has nothing else in flight: the hunter.
extension Dispatcher {
    func suspect(_ item: ActiveItem) {
        // Where its lane is in memory, it doesn't read the item from the store again.
        if let hash = item.row.lane { lanes[hash]?.enter(item) }
        item.source.line.suspects.append(item)
        touch(item.source.line)
    }

    /// Starts the next suspect of a line, if its hunter is free; else the hunter gets nothing more until it is.
    func huntSuspects(_ line: QueueLine, now: Int64) {
        for consumer in line.consumers where consumer.isHunting && consumer.isIdle && !hasPrey(consumer, now: now) {
            consumer.isHunting = false
            for other in lines(of: consumer) where other !== line { touch(other) }
        }
        guard line.hasSuspects else { return }
        line.suspects = line.suspects.filter { live($0, now: now) != nil }
        for (index, item) in line.suspects.enumerated() where mayStart(suspect: item, now: now) {
            let able = line.consumers.filter { $0.takes(item.source) }
            guard let hunter = able.first(where: { $0.isHunting }) ?? able.last else { continue }
            hunter.isHunting = true
            guard hunter.isIdle else { return }
            line.suspects.remove(at: index)
            start(item, in: freeLane(of: item, now: now), now: now)
            hunter.take(item)
            hunter.flush()
            return
        }
    }

    private func mayStart(suspect item: ActiveItem, now: Int64) -> Bool {
        if item.source.heldUntilMs > now {
            wake(atMs: item.source.heldUntilMs)
            return false
        }
        return !item.source.isPaused
    }

    private func hasPrey(_ hunter: any Consumer, now: Int64) -> Bool {
        lines(of: hunter).contains { line in
            line.suspects.contains { mayStart(suspect: $0, now: now) && hunter.takes($0.source) }
        }
    }

    /// A suspect doesn't wait for a lane that is shut or full: it is one item, and alone.
    private func freeLane(of item: ActiveItem, now: Int64) -> Lane? {
        guard let hash = item.row.lane, shutLanes[hash] == nil else { return nil }
        let lane = lane(hash, of: item)
        return lane.machine.canStart(nowMs: now) ? lane : nil
    }

    /// Something of a consumer ended: a hunter takes the next suspect now, or is a worker like any other again.
    func endHunt(_ consumer: any Consumer) {
        guard consumer.isHunting, consumer.isIdle else { return }
        for line in lines(of: consumer) { touch(line) }
    }
}
