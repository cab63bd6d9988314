// SPDX-License-Identifier: Apache-2.0
import DequeModule
import Logging
import NIOCore
import QueueCore
import QueueStore

/// When the store has to be asked for delayed items that are due, or for lanes whose time has come.
struct DueTimer {
    /// Steady milliseconds; `.max` = nothing is known to wait.
    private(set) var nextMs: Int64 = .max
    var isAsking = false
    /// Looks at `nextMs` again.
    var task: Scheduled<Void>?

    mutating func expect(_ time: Int64) { nextMs = min(nextMs, time) }
    mutating func ask() {
        nextMs = .max
        isAsking = true
    }
}

// From the store into memory.
extension Dispatcher {
    /// A timer of the loop stands still while the machine sleeps, the steady clock doesn't: look once a minute.
    private static let longestWaitMs: Int64 = 60_000

    /// Finds what waits in the store, at start.
    func loadSources(completion: @escaping @Sendable (QueueStoreError?) -> Void) {
        let me = NIOLoopBound(self, eventLoop: loop)
        store.read { (reader) throws(QueueStoreError) in
            (
                try reader.names(), try reader.readySources(), try reader.nextDue(), try reader.nextLane(),
                try reader.allLanes(), try reader.pauses(), try reader.blocks()
            )
        } completion: { result in
            switch result {
            case .failure(let error): completion(error)
            case .success(let (names, rows, nextDue, nextLane, allLanes, pauses, blocks)):
                let dispatcher = me.value
                dispatcher.set(pauses)
                dispatcher.set(blocks)
                for (id, name) in names { dispatcher.learn(id, name) }
                for lane in allLanes { dispatcher.shutLanes[lane] = 0 }
                // All sources first: how many there are says how much of each is read.
                let windows = rows.map { row in
                    let source = dispatcher.source(dispatcher.line(row.queue, name: names[row.queue] ?? ""), row.site)
                    return (source, source.window(row.rank, hasMore: true))
                }
                for (source, window) in windows { dispatcher.readPage(source, window) }
                if let nextDue { dispatcher.expectDue(nextDue) }
                if let nextLane { dispatcher.expectDue(nextLane) }
                completion(nil)
            }
        }
    }

    /// Items that were just written.
    func arrived(_ rows: [StoredItem], name: (NameID) -> String) {
        let now = clock.steadyMs
        for row in rows {
            switch row.state {
            case .ready, .delayed, .parked: break
            // Its queue and site may be names that somebody made up: nothing is kept of them here.
            case .dead:
                deaths.add(1, nowMs: now)
                continue
            case .done, .discarded: continue
            }
            // An operator's requeue: older copies are still to be skipped, this one isn't.
            if buried[row.id] != nil { buried[row.id] = row.seq }
            if row.site != 0, names[row.site] == nil { learn(row.site, name(row.site)) }
            let source = source(line(row.queue, name: name(row.queue)), row.site)
            source.rateIn.add(1, nowMs: now)
            switch row.state {
            case .delayed: expectDue(row.dueMs)
            case .parked: parkedInStore(row, now: now)
            default: ready(row, source)
            }
        }
    }

    /// A row joins its window where that is at the end of what the store has, and has room; else it waits in the store.
    func ready(_ row: StoredItem, _ source: Source) {
        let window = source.window(row.rank, hasMore: false)
        // A page that is being read has this row, or hasn't: the next page tells.
        if window.hasMore || window.isReading || window.isFull(page: windowPage) {
            window.hasMore = true
            readPage(source, window)
            return
        }
        bring(ActiveItem(row, source: source, isOlderThanBroker: row.id < store.firstID), into: window)
        touch(source)
    }

    /// An item that killed a worker waits for no ordinary worker's turn.
    private func bring(_ item: ActiveItem, into window: Window) {
        if adopted[item.row.id] == item.row.seq {
            window.pass(item)
        } else if item.isSuspect {
            window.pass(item)
            suspect(item)
        } else {
            window.append(item)
        }
    }

    func readPage(_ source: Source, _ window: Window) {
        let page = windowPage
        guard window.wantsPage(of: page) else { return }
        window.isReading = true
        window.hasMore = false
        let row = StoreReader.SourceRow(queue: source.queue, site: source.site, rank: window.rank)
        let after = window.lastSeq
        let me = NIOLoopBound((self, source, window), eventLoop: loop)
        store.read { (reader) throws(QueueStoreError) in
            try reader.ready(row, after: after, limit: page, maxBytes: Window.maxBytes)
        } completion: { result in
            let (dispatcher, source, window) = me.value
            window.isReading = false
            switch result {
            case .failure(let error):
                window.hasMore = true
                dispatcher.log.error("a page of ready items could not be read", metadata: ["error": "\(error)"])
                dispatcher.retryLater { $0.readPage(source, window) }
            case .success(let rows):
                let bytes = rows.reduce(0) { $0 + $1.payload.count }
                if rows.count == page || bytes >= Window.maxBytes { window.hasMore = true }
                for row in rows {
                    dispatcher.bring(
                        ActiveItem(row, source: source, isOlderThanBroker: row.id < dispatcher.store.firstID),
                        into: window
                    )
                }
                if !window.items.isEmpty { dispatcher.touch(source) }
                dispatcher.readPage(source, window)
            }
        }
    }

    // MARK: Burials by others

    /// Items that a delete frame, or an operator, buried in the store: those that are in memory are skipped when their
    /// turn comes, and those in a handler are to end soon.
    func skip(_ dropped: [DroppedItem]) {
        var ids: Set<Int64> = []
        for item in dropped where mayBeInMemory(item) {
            buried[item.id] = .max
            ids.insert(item.id)
        }
        if !ids.isEmpty { cancelClaimed { ids.contains($0.row.id) } }
    }

    /// What waits in memory of a removed site and was buried goes at once: its turn may never come.
    func purge(site: NameID) {
        let isBuried = { [self] (item: ActiveItem) in
            guard item.source.site == site, takeBurial(item) else { return false }
            if let hash = item.row.lane { lanes[hash]?.leave(item) }
            return true
        }
        for line in lines.values {
            guard let source = line.sources[site], !source.isOpen else { continue }
            source.removeAll(where: isBuried)
            line.suspects.removeAll(where: isBuried)
        }
        let now = clock.steadyMs
        for lane in Array(lanes.values) where lane.source.site == site && !lane.source.isOpen {
            lane.pending.removeAll(where: isBuried)
            goOn(lane, now: now)
        }
        haveSuspectsChanged = true
        scheduleTurn()
    }

    private func mayBeInMemory(_ item: DroppedItem) -> Bool {
        switch item.state {
        case .ready where adopted[item.id] == item.seq, .parked where adoptedFromLanes.contains(item.id): return true
        case .ready:
            guard let window = lines[item.queue]?.sources[item.site]?.windows.first(where: { $0.rank == item.rank })
            else {
                return false
            }
            return window.isReading || item.seq <= window.lastSeq
        case .parked:
            guard let hash = item.lane, let lane = lanes[hash] else { return false }
            return lane.isLoading || lane.active.contains(item.id)
        case .delayed, .done, .dead, .discarded: return false
        }
    }

    /// True, once: this copy of the item was buried while it was in memory.
    func takeBurial(_ item: ActiveItem) -> Bool {
        guard !buried.isEmpty, let place = buried.removeValue(forKey: item.row.id) else { return false }
        return item.row.seq < place
    }

    // MARK: Due

    func expectDue(_ time: Int64) {
        let before = due.nextMs
        due.expect(time)
        if due.nextMs < before { scheduleDue() }
    }

    func scheduleDue() {
        guard !due.isAsking, due.nextMs != .max else { return }
        let wait = min(max(0, due.nextMs - clock.steadyMs), Self.longestWaitMs)
        let me = NIOLoopBound(self, eventLoop: loop)
        due.task?.cancel()
        due.task = loop.scheduleTask(in: .milliseconds(wait)) {
            let dispatcher = me.value
            guard !dispatcher.due.isAsking else { return }
            if dispatcher.due.nextMs > dispatcher.clock.steadyMs {
                dispatcher.scheduleDue()
            } else {
                dispatcher.askDue()
            }
        }
    }

    private func askDue() {
        due.ask()
        flushWrites()
        let now = clock.steadyMs
        let me = NIOLoopBound(self, eventLoop: loop)
        store.write { (transaction) throws(QueueStoreError) in
            let items = try transaction.promoteDue(nowMs: now, limit: 1000)
            let lanes = try transaction.dueLanes(nowMs: now, limit: 500, leaseMs: LaneTable.leaseMs)
            return (items, lanes)
        } completion: { result in
            let dispatcher = me.value
            dispatcher.due.isAsking = false
            switch result {
            case .failure(let error):
                dispatcher.log.error("delayed items could not be read", metadata: ["error": "\(error)"])
                dispatcher.due.expect(dispatcher.clock.steadyMs + 1000)
            case .success(let (items, lanes)):
                for row in items.items {
                    let name = dispatcher.names[row.queue] ?? ""
                    dispatcher.ready(row, dispatcher.source(dispatcher.line(row.queue, name: name), row.site))
                }
                dispatcher.woken(lanes.lanes)
                if let next = items.next { dispatcher.due.expect(next) }
                if let next = lanes.next { dispatcher.due.expect(next) }
            }
            dispatcher.scheduleDue()
        }
    }

    /// After a failure of the store: once more in a second, on the loop.
    func retryLater(_ work: @escaping (Dispatcher) -> Void) {
        let me = NIOLoopBound((self, work), eventLoop: loop)
        loop.scheduleTask(in: .seconds(1)) { me.value.1(me.value.0) }
    }
}
