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

// Lanes: from the store to memory when their time comes, and back when they are shut.
extension Dispatcher {
    func lane(_ hash: LaneHash, of item: ActiveItem) -> Lane {
        if let lane = lanes[hash] { return lane }
        return newLane(hash, key: item.row.laneName, source: item.source)
    }

    private func newLane(_ hash: LaneHash, key: String, source: Source) -> Lane {
        let lane = Lane(hash: hash, key: key, source: source, machine: LaneStateMachine(limits: limits(source)))
        lanes[hash] = lane
        return lane
    }

    private func limits(_ source: Source) -> LaneStateMachine.Limits {
        source.line.handler?.descriptor.isOrdered == true
            ? .ordered : LaneStateMachine.Limits(limit: settings.targetConcurrency)
    }

    /// Puts the lane where it gets its turn, if something of it may start.
    func listIfReady(_ lane: Lane, now: Int64) {
        loadBacklog(lane)
        guard !lane.isListed, !lane.pending.isEmpty, lane.machine.canStart(nowMs: now) else { return }
        lane.isListed = true
        if lane.machine.circuit == .closed && lane.machine.openings == 0 {
            lane.source.unblocked.append(lane)
        } else {
            lane.source.retrying.append(lane)
        }
        touch(lane.source)
    }

    /// Drops a lane that has nothing in memory and taught nothing.
    func dropIfIdle(_ lane: Lane) {
        guard lane.machine.inFlight == 0, lane.pending.isEmpty, !lane.hasBacklog, !lane.isLoading, !lane.isListed else {
            return
        }
        if lane.isSaved {
            guard !lane.machine.isShut(nowMs: clock.steadyMs) else { return }
            batch.removedLanes.append(lane.hash)
            lane.isSaved = false
            scheduleTurn()
        }
        if lane.machine.isDefault || lanes.count > LaneTable.idleLimit { lanes[lane.hash] = nil }
    }

    /// Sends an item to the store, to wait for its lane there.
    func park(_ item: ActiveItem, in lane: Lane, text: String = "") {
        lane.hasBacklog = true
        lane.parkings += 1
        lane.active.remove(item.row.id)
        // What is parked now may be before what was loaded last: look from the start again.
        if item.row.id <= lane.lastLoadedID { lane.lastLoadedID = 0 }
        if !lane.isSaved { save(lane) }
        batch.parks.append(
            WriteBatch.Park(id: item.row.id, rank: item.rank, counts: item.counts, text: text)
        )
        scheduleTurn()
    }

    /// The lane's state goes to the store, so that it outlives the broker.
    func save(_ lane: Lane) {
        lane.isSaved = true
        let row = lane.stored(nowMs: clock.steadyMs)
        batch.savedLanes.append(row)
        scheduleTurn()
    }

    /// The circuit opened, or the lane is held: all that waits in memory goes to the store, in order.
    func shut(_ lane: Lane) {
        for item in lane.pending { park(item, in: lane) }
        lane.pending.removeAll()
        save(lane)
    }

    /// After the batch with the parked items was written: a shut lane leaves memory; its row brings it back.
    func forgetShutLanes(_ hashes: [LaneHash]) {
        let now = clock.steadyMs
        for hash in hashes {
            guard let lane = lanes[hash], lane.machine.inFlight == 0, lane.pending.isEmpty, !lane.isListed else {
                continue
            }
            if let next = lane.machine.nextAttemptMs, next > now, lane.isSaved { lanes[hash] = nil }
        }
    }

    /// Reads the next parked items of a lane that may start some.
    func loadBacklog(_ lane: Lane) {
        let now = clock.steadyMs
        guard lane.hasBacklog, !lane.isLoading, lane.pending.isEmpty, lane.machine.canStart(nowMs: now) else { return }
        lane.isLoading = true
        // What is on its way to being parked is written first: the read comes after it.
        flushWrites()
        let isProbe = if case .open = lane.machine.circuit { true } else { false }
        let after = isProbe ? lane.lastProbedID : lane.lastLoadedID
        let limit = (isProbe ? 1 : Lane.backlogPage) + lane.active.count
        let parkings = lane.parkings
        let hash = lane.hash
        let me = NIOLoopBound((self, lane), eventLoop: loop)
        store.write { (_) throws(QueueStoreError) in
        } completion: { _ in
            me.value.0.readParked(me.value.1, hash, after: after, limit: limit, parkings: parkings, isProbe: isProbe)
        }
    }

    private func readParked(
        _ lane: Lane,
        _ hash: LaneHash,
        after: Int64,
        limit: Int,
        parkings: Int,
        isProbe: Bool
    ) {
        let me = NIOLoopBound((self, lane), eventLoop: loop)
        store.read { (reader) throws(QueueStoreError) in
            try reader.parked(hash, after: after, limit: limit)
        } completion: { result in
            let (dispatcher, lane) = me.value
            lane.isLoading = false
            guard case .success(let rows) = result else {
                dispatcher.retryLater { $0.loadBacklog(lane) }
                return
            }
            if after > 0,
                isProbe ? rows.allSatisfy({ lane.active.contains($0.id) }) : rows.isEmpty && lane.parkings != parkings
            {
                // The end of a round: the next one starts at the lane's head.
                lane.lastProbedID = 0
                lane.lastLoadedID = 0
                dispatcher.loadBacklog(lane)
                return
            }
            if !isProbe {
                if let last = rows.last { lane.lastLoadedID = last.id }
                if rows.count < limit, lane.parkings == parkings { lane.hasBacklog = false }
            } else if rows.isEmpty, lane.parkings == parkings {
                lane.hasBacklog = false
            }
            for row in rows where !lane.active.contains(row.id) && (!isProbe || lane.pending.isEmpty) {
                lane.active.insert(row.id)
                let item = ActiveItem(
                    row,
                    source: lane.source,
                    isOlderThanBroker: row.id < dispatcher.store.firstID && row.attempts > 0
                )
                lane.pending.append(item)
            }
            dispatcher.listIfReady(lane, now: dispatcher.clock.steadyMs)
            dispatcher.dropIfIdle(lane)
        }
    }

    /// Lanes whose time has come.
    func woken(_ rows: [StoredLane]) {
        for row in rows {
            guard let queueName = names[row.queue] else { continue }
            let source = source(line(row.queue, name: queueName), row.site)
            let lane: Lane
            if let known = lanes[row.hash] {
                lane = known
            } else {
                lane = newLane(row.hash, key: row.key, source: source)
                if row.isOpen {
                    lane.machine = LaneStateMachine(
                        limits: limits(source),
                        openUntilMs: row.nextAttemptMs,
                        openings: row.openings
                    )
                }
                lane.reason = row.reason
            }
            lane.isSaved = true
            lane.hasBacklog = true
            listIfReady(lane, now: clock.steadyMs)
        }
    }

    /// Nobody gets an item of this lane (empty key: of this source) for so long.
    func hold(_ source: Source, key: String, ms: Int64, text: String) {
        let now = clock.steadyMs
        if key.isEmpty {
            source.heldUntilMs = ms == 0 ? 0 : now + ms
            if ms == 0 { touch(source) } else { wake(atMs: source.heldUntilMs) }
            return
        }
        let hash = LaneHash(site: source.site, queue: source.queue, key: key)
        let lane = lanes[hash] ?? newLane(hash, key: key, source: source)
        lane.machine.hold(untilMs: now + ms, nowMs: now)
        if !text.isEmpty { lane.reason = text }
        if lane.machine.isShut(nowMs: now) {
            shut(lane)
        } else {
            listIfReady(lane, now: now)
            dropIfIdle(lane)
        }
    }
}
