// SPDX-License-Identifier: Apache-2.0
import DequeModule
import QueueCore
import QueueStore

// Which item is next.
extension Dispatcher {
    /// Hands out what may start and somebody has room for.
    func pump(_ line: QueueLine) {
        guard !line.consumers.isEmpty else { return }
        let now = clock.steadyMs
        huntSuspects(line, now: now)
        var served: [any Consumer] = []
        var attempts = line.consumers.count
        while attempts > 0, !line.turns.isEmpty {
            line.nextConsumer = (line.nextConsumer + 1) % line.consumers.count
            let consumer = line.consumers[line.nextConsumer]
            guard !consumer.isHunter, !consumer.isHunting, consumer.room(in: line) > 0,
                let item = nextItem(line, for: consumer, now: now)
            else {
                attempts -= 1
                continue
            }
            attempts = line.consumers.count
            consumer.take(item)
            if !served.contains(where: { $0 === consumer }) { served.append(consumer) }
        }
        for consumer in served { consumer.flush() }
    }

    /// The next item of a line that may start, already counted as claimed.
    private func nextItem(_ line: QueueLine, for consumer: any Consumer, now: Int64) -> ActiveItem? {
        for _ in 0..<line.turns.count {
            guard let site = line.turns.next(), let source = line.sources[site] else { return nil }
            if !source.isOpen || !consumer.takes(source) || source.isHeld(against: consumer) { continue }
            if source.heldUntilMs > now {
                wake(atMs: source.heldUntilMs)
                continue
            }
            if let item = nextItem(source, now: now) {
                source.holder = consumer
                return item
            }
            if source.isDry { line.turns.removeLast() }
        }
        return nil
    }

    private func nextItem(_ source: Source, now: Int64) -> ActiveItem? {
        while let item = source.takeReturned() {
            if let item = startable(item, now: now) { return item }
        }
        source.picks += 1
        // Fresh items go first; one turn in eight is the retries', so that a steady stream doesn't starve them.
        if source.picks % 8 == 0, let item = nextRetry(source, now: now) { return item }
        while let lane = source.unblocked.popFirst() {
            lane.isListed = false
            if let item = nextPending(lane, now: now) { return item }
        }
        for window in source.windows {
            if window.rank.isRetry && !window.items.isEmpty && !mayRetry(now) { continue }
            defer { readPage(source, window) }
            while let item = window.popFirst() {
                if let item = startable(item, now: now) { return item }
            }
        }
        return nextRetry(source, now: now)
    }

    private func nextRetry(_ source: Source, now: Int64) -> ActiveItem? {
        while let lane = source.retrying.first {
            guard mayRetry(now) else { return nil }
            source.retrying.removeFirst()
            lane.isListed = false
            if let item = nextPending(lane, now: now) { return item }
        }
        return nil
    }

    private func mayRetry(_ now: Int64) -> Bool {
        if budget.take(nowMs: now) { return true }
        wake(atMs: now + max(5, budget.waitMs()))
        return false
    }

    private func nextPending(_ lane: Lane, now: Int64) -> ActiveItem? {
        while lane.canStart(nowMs: now), let item = lane.pending.popFirst() {
            guard let item = live(item, now: now) else { continue }
            if item.isSuspect {
                suspect(item)
                continue
            }
            start(item, in: lane, now: now)
            listIfReady(lane, now: now)
            return item
        }
        goOn(lane, now: now)
        return nil
    }

    /// The item, started, where its lane lets it; else it waits there.
    private func startable(_ item: ActiveItem, now: Int64) -> ActiveItem? {
        guard let item = live(item, now: now) else { return nil }
        if item.isSuspect {
            suspect(item)
            return nil
        }
        guard let hash = item.row.lane, !item.source.line.isPlain else {
            start(item, in: nil, now: now)
            return item
        }
        if shutLanes[hash] != nil {
            park(item)
            return nil
        }
        let lane = lane(hash, of: item)
        if !lane.hasBacklog, lane.pending.isEmpty, lane.canStart(nowMs: now) {
            start(item, in: lane, now: now)
            return item
        }
        if lane.hasBacklog || lane.isShut(nowMs: now) || lane.pending.count >= Lane.pendingLimit {
            park(item, in: lane)
        } else {
            lane.wait(item)
        }
        return nil
    }

    /// nil: the item was buried meanwhile, or has expired and is buried now.
    func live(_ item: ActiveItem, now: Int64) -> ActiveItem? {
        if takeBurial(item) {
            leaveLane(item, now: now)
            return nil
        }
        if item.row.expiresMs > 0, !item.source.line.isPlain, item.row.expiresMs <= clock.wallMs {
            bury(item, .expired, "it waited until it expired")
            leaveLane(item, now: now)
            return nil
        }
        // A lane that is named for its target is blocked as such.
        if !blockedTargets.isEmpty, !item.row.laneKey.isEmpty, holdBlocked(item, now: now) {
            leaveLane(item, now: now)
            return nil
        }
        return item
    }

    /// An item ends without having been started.
    private func leaveLane(_ item: ActiveItem, now: Int64) {
        guard let hash = item.row.lane, let lane = lanes[hash] else { return }
        lane.leave(item)
        if item.isSuspect { listIfReady(lane, now: now) }
        dropIfIdle(lane, now: now)
    }

    func start(_ item: ActiveItem, in lane: Lane?, now: Int64) {
        item.lane = lane
        lane?.enter(item)
        item.isProbe = lane?.machine.start(nowMs: now) ?? false
        if item.isProbe, let lane { lane.lastProbedID = item.row.id }
        item.deliveries += 1
        item.claimedMs = now
        item.source.claimed += 1
        if !item.rank.isRetry { budget.sent() }
    }
}
