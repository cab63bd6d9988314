// SPDX-License-Identifier: Apache-2.0
import DequeModule
import NIOCore
import QueueCore
import QueueStore

enum LaneTable {
    /// A lane that was taken out of the store for its probe comes up again after so long, should the broker die.
    static let leaseMs: Int64 = 30_000
    /// Idle lanes kept for what was learned of them.
    static let idleLimit = 10_000
}

// Lanes: from the store to memory when their time comes, and back when they are shut. A lane's row is in the store
// exactly while the lane is in memory and saved, or among `shutLanes`.
extension Dispatcher {
    func lane(_ hash: LaneHash, of item: ActiveItem) -> Lane {
        if let lane = lanes[hash] { return lane }
        return newLane(hash, key: item.row.laneName, source: item.source)
    }

    private func newLane(_ hash: LaneHash, key: String, source: Source) -> Lane {
        let lane = Lane(hash: hash, key: key, source: source, machine: LaneStateMachine(limits: limits(source)))
        lane.isBlocked = isBlocked(key, source)
        lanes[hash] = lane
        return lane
    }

    private func limits(_ source: Source) -> LaneStateMachine.Limits {
        source.line.isOrdered
            ? .ordered : LaneStateMachine.Limits(limit: settings.targetConcurrency)
    }

    /// Something of the lane ended: the next of it may start, or the lane may go.
    func goOn(_ lane: Lane, now: Int64) {
        listIfReady(lane, now: now)
        dropIfIdle(lane, now: now)
    }

    /// Puts the lane where it gets its turn, if something of it may start.
    func listIfReady(_ lane: Lane, now: Int64) {
        loadBacklog(lane, now: now)
        guard !lane.isListed, !lane.pending.isEmpty, lane.canStart(nowMs: now) else { return }
        lane.isListed = true
        if lane.machine.circuit == .closed && lane.machine.openings == 0 {
            lane.source.unblocked.append(lane)
        } else {
            lane.source.retrying.append(lane)
        }
        touch(lane.source)
    }

    /// Drops a lane that has nothing in memory and taught nothing.
    func dropIfIdle(_ lane: Lane, now: Int64) {
        guard lane.isIdle, !lane.hasBacklog, lanes[lane.hash] === lane else { return }
        if lane.isSaved {
            // A shut lane's row says until when. Where that time has come and nothing waits, nobody needs it.
            guard lane.canStart(nowMs: now) else { return }
            lane.isSaved = false
            lane.isLeaving = true
            batch.removedLanes.insert(lane.hash)
            scheduleTurn()
        } else if lane.machine.isDefault || lanes.count > LaneTable.idleLimit {
            lanes[lane.hash] = nil
        }
    }

    // MARK: To the store

    /// Sends an item to the store, to wait for its lane there.
    func park(_ item: ActiveItem, in lane: Lane, text: String = "") {
        lane.hasBacklog = true
        lane.parkings += 1
        lane.leave(item)
        if !lane.isSaved { save(lane) }
        park(item, text: text)
    }

    /// Its lane has a row.
    func park(_ item: ActiveItem, text: String = "") {
        batch.parks.append(WriteBatch.Park(id: item.row.id, rank: item.rank, counts: item.counts, text: text))
        scheduleTurn()
    }

    /// An item was parked as it came in, since its lane has a row.
    ///
    /// Where the lane isn't in memory, the row brings it up.
    func parkedInStore(_ row: StoredItem, now: Int64) {
        guard let hash = row.lane, let lane = lanes[hash] else { return }
        lane.hasBacklog = true
        lane.isSaved = true
        lane.parkings += 1
        listIfReady(lane, now: now)
    }

    /// The lane's state goes to the store, so that it outlives the broker.
    func save(_ lane: Lane) {
        lane.isSaved = true
        batch.removedLanes.remove(lane.hash)
        batch.savedLanes.append(lane.stored(nowMs: clock.steadyMs))
        scheduleTurn()
    }

    /// The circuit opened, or the lane is held: all that waits in memory goes to the store, in order.
    func shut(_ lane: Lane) {
        for item in lane.pending { park(item, in: lane) }
        lane.pending.removeAll()
        save(lane)
    }

    /// Rows of lanes were written: those that had to stay have items parked behind them.
    ///
    /// A shut lane leaves memory.
    func rowsChanged(saved: [LaneHash], removed: Set<LaneHash>, kept: Set<LaneHash>) {
        let now = clock.steadyMs
        for hash in removed {
            guard let lane = lanes[hash] else { continue }
            lane.isLeaving = false
            if kept.contains(hash) {
                lane.isSaved = true
                lane.hasBacklog = true
            } else if lane.isSaved {
                // It is needed again, and the row may have gone after it was written.
                save(lane)
            }
            goOn(lane, now: now)
        }
        for hash in saved {
            guard let lane = lanes[hash] else { continue }
            if !removed.contains(hash) { lane.isLeaving = false }
            if let next = lane.nextAttemptMs, next > now, lane.isSaved, lane.isIdle {
                lanes[hash] = nil
                shutLanes[hash] = lane.lastProbedID
            }
        }
    }

    // MARK: From the store

    /// Reads the next parked items of a lane that may start some: one for a probe, which takes turns, else from the head.
    private func loadBacklog(_ lane: Lane, now: Int64) {
        guard lane.hasBacklog, !lane.isLoading, lane.pending.isEmpty, lane.canStart(nowMs: now) else { return }
        lane.beginLoading()
        let isProbe = if case .open = lane.machine.circuit { true } else { false }
        // What is on its way to being parked, or out of it, is written first.
        whenWritten { [self] in readParked(lane, isProbe: isProbe) }
    }

    private func readParked(_ lane: Lane, isProbe: Bool) {
        let hash = lane.hash
        let after = isProbe ? lane.lastProbedID : 0
        // What is in memory is parked in the store too, and comes up again.
        let limit = (isProbe ? 1 : Lane.backlogPage) + lane.active.count + adoptedFromLanes.count
        let parkings = lane.parkings
        let me = NIOLoopBound((self, lane), eventLoop: loop)
        store.read { (reader) throws(QueueStoreError) in
            try reader.parked(hash, after: after, limit: limit)
        } completion: { result in
            let (dispatcher, lane) = me.value
            guard case .success(let rows) = result else {
                dispatcher.retryLater { $0.readParked(lane, isProbe: isProbe) }
                return
            }
            let fresh = lane.endLoading(rows).filter { !dispatcher.adoptedFromLanes.contains($0.id) }
            let now = dispatcher.clock.steadyMs
            if fresh.isEmpty, after > 0 {
                // The end of a round: the next one starts at the lane's head.
                lane.lastProbedID = 0
            } else if lane.isShut(nowMs: now), !lane.canStart(nowMs: now) {
                // It was shut meanwhile: they stay where they are.
                return
            } else {
                let taken = isProbe ? fresh.prefix(1) : fresh[...]
                let isAll = after == 0 && rows.count < limit && taken.count == fresh.count
                if isAll, lane.parkings == parkings { lane.hasBacklog = false }
                for row in taken {
                    let item = ActiveItem(
                        row,
                        source: lane.source,
                        isOlderThanBroker: row.id < dispatcher.store.firstID
                    )
                    if item.isSuspect { dispatcher.suspect(item) } else { lane.wait(item) }
                }
            }
            dispatcher.goOn(lane, now: now)
        }
    }

    /// Lanes whose time has come.
    func woken(_ rows: [StoredLane]) {
        let now = clock.steadyMs
        for row in rows {
            guard let queueName = names[row.queue] else { continue }
            let source = source(line(row.queue, name: queueName), row.site)
            let lane: Lane
            if let known = lanes[row.hash] {
                lane = known
            } else {
                lane = bringUp(row.hash, key: row.key, source: source)
                if row.state == .open {
                    lane.machine = LaneStateMachine(
                        limits: limits(source),
                        openUntilMs: row.nextAttemptMs,
                        openings: row.openings
                    )
                } else {
                    lane.machine = LaneStateMachine(limits: limits(source))
                }
                lane.reason = row.reason
                lane.failedMs = row.failedMs
            }
            lane.isSaved = true
            lane.hasBacklog = true
            // It was blocked after it had been read.
            if lane.isBlocked { save(lane) }
            listIfReady(lane, now: now)
        }
    }

    /// A lane that is in memory, or of which only the store knew: that one may be open, and its next start is a probe.
    private func bringUp(_ hash: LaneHash, key: String, source: Source) -> Lane {
        if let lane = lanes[hash] { return lane }
        let lane = newLane(hash, key: key, source: source)
        if let lastProbedID = shutLanes.removeValue(forKey: hash) {
            lane.lastProbedID = lastProbedID
            lane.isSaved = true
            lane.hasBacklog = true
            lane.machine = LaneStateMachine(limits: limits(source), openUntilMs: 0, openings: 1)
        }
        return lane
    }

    /// Nobody gets an item of this lane (empty key: of this source) for so long.
    func hold(_ source: Source, key: String, ms: Int64, text: String) {
        let now = clock.steadyMs
        if key.isEmpty {
            source.heldUntilMs = ms == 0 ? 0 : now + ms
            source.holdReason = text
            if ms == 0 { touch(source) } else { wake(atMs: source.heldUntilMs) }
            return
        }
        let lane = bringUp(LaneHash(site: source.site, queue: source.queue, key: key), key: key, source: source)
        lane.machine.hold(untilMs: now + ms, nowMs: now)
        if !text.isEmpty { lane.reason = text }
        if lane.isShut(nowMs: now) { shut(lane) }
        goOn(lane, now: now)
    }
}
