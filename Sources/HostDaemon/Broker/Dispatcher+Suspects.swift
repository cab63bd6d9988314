// SPDX-License-Identifier: Apache-2.0
import DequeModule
import QueueCore
import QueueStore

// Items that may have killed a worker run one at a time, in a worker that has nothing else in flight: a hunter, which the
// supervisor keeps as long as there are some. A queue with one worker per site has them tried by that worker.
extension Dispatcher {
    func suspect(_ item: ActiveItem) {
        // Where its lane is in memory, it doesn't read the item from the store again; an ordered one waits for it.
        if let hash = item.row.lane {
            if lanes[hash] == nil, shutLanes[hash] == nil, item.source.line.isOrdered { _ = lane(hash, of: item) }
            lanes[hash]?.enter(suspect: item)
        }
        item.source.line.suspects.append(item)
        haveSuspectsChanged = true
        touch(item.source.line)
    }

    /// It is to be the first item that the next hunter gets: what it does then is its own doing.
    func moveFirst(suspect item: ActiveItem) {
        guard item.source.line.suspects.last === item else { return }
        item.source.line.suspects.prepend(item.source.line.suspects.removeLast())
    }

    /// Starts the next suspect of a line, if there is a hunter that is free.
    func huntSuspects(_ line: QueueLine, now: Int64) {
        for consumer in line.consumers where consumer.isHunting && consumer.isIdle && !hasPrey(consumer, now: now) {
            consumer.isHunting = false
            for other in lines(of: consumer) where other !== line { touch(other) }
        }
        guard line.hasSuspects else { return }
        line.suspects = line.suspects.filter { live($0, now: now) != nil }
        haveSuspectsChanged = true
        for (index, item) in line.suspects.enumerated() where mayStart(suspect: item, now: now) {
            let able = line.consumers.filter {
                $0.takes(item.source) && ($0.isHunter || line.huntsInPlace || line.isPlain)
            }
            guard let hunter = able.first(where: { $0.isHunter || $0.isHunting }) ?? able.last else { continue }
            if !hunter.isHunter { hunter.isHunting = true }
            guard hunter.isIdle else { return }
            line.suspects.remove(at: index)
            line.hunted += 1
            item.isHunted = true
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
        // It runs without its lane where that is shut, but not where an operator shut it.
        return item.source.isOpen && !isBlocked(item.row.target, item.source)
    }

    private func hasPrey(_ hunter: any Consumer, now: Int64) -> Bool {
        lines(of: hunter).contains { line in
            (line.huntsInPlace || line.isPlain)
                && line.suspects.contains { mayStart(suspect: $0, now: now) && hunter.takes($0.source) }
        }
    }

    /// A suspect doesn't wait for a lane that is shut or full: it is one item, and alone.
    func freeLane(of item: ActiveItem, now: Int64) -> Lane? {
        guard let hash = item.row.lane, shutLanes[hash] == nil else { return nil }
        let lane = lane(hash, of: item)
        return lane.canStart(nowMs: now) ? lane : nil
    }

    /// Something of a consumer ended: a hunter takes the next suspect now, or is a worker like any other again.
    func endHunt(_ consumer: any Consumer) {
        guard consumer.isHunter || consumer.isHunting, consumer.isIdle else { return }
        for line in lines(of: consumer) { touch(line) }
    }

    /// A suspect's claim ended.
    func endHunted(_ item: ActiveItem) {
        guard item.isHunted else { return }
        item.isHunted = false
        item.source.line.hunted -= 1
        haveSuspectsChanged = true
    }

    /// The supervisor hears which plugins need a hunter, where that has changed.
    func tellHunted() {
        guard haveSuspectsChanged else { return }
        haveSuspectsChanged = false
        let now = Set(lines.values.filter(\.needsHunter).compactMap(\.handler?.plugin))
        guard now != hunted else { return }
        hunted = now
        sendHunted(now.sorted())
    }
}
