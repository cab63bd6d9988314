// SPDX-License-Identifier: Apache-2.0
import Logging
import NIOCore
import QueueCore
import QueueStore

/// When the store has to be asked for delayed items that are due, or for lanes whose time has come.
struct DueTimer {
    /// Steady milliseconds; `.max` = nothing is known to wait.
    private(set) var nextMs: Int64 = .max
    var isAsking = false

    mutating func expect(_ time: Int64) { nextMs = min(nextMs, time) }
    mutating func ask() {
        nextMs = .max
        isAsking = true
    }
}

// From the store into memory.
extension Dispatcher {
    /// Finds what waits in the store, at start.
    func loadSources(completion: @escaping @Sendable (QueueStoreError?) -> Void) {
        let me = NIOLoopBound(self, eventLoop: loop)
        store.read { (reader) throws(QueueStoreError) in
            (try reader.names(), try reader.readySources(), try reader.nextDue(), try reader.nextLane())
        } completion: { result in
            switch result {
            case .failure(let error): completion(error)
            case .success(let (names, rows, nextDue, nextLane)):
                let dispatcher = me.value
                dispatcher.names.merge(names) { old, _ in old }
                for row in rows {
                    let line = dispatcher.line(row.queue, name: names[row.queue] ?? "")
                    let source = dispatcher.source(line, row.site)
                    dispatcher.readPage(source, source.window(row.rank, hasMore: true))
                }
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
            if row.site != 0, names[row.site] == nil { names[row.site] = name(row.site) }
            let source = source(line(row.queue, name: name(row.queue)), row.site)
            source.rateIn.add(1, nowMs: now)
            switch row.state {
            case .ready: ready(row, source)
            case .delayed: expectDue(row.dueMs)
            case .parked:
                // Its lane is in memory, or its row brings it up.
                if let hash = row.lane, let lane = lanes[hash] {
                    lane.hasBacklog = true
                    lane.isSaved = true
                    lane.parkings += 1
                    listIfReady(lane, now: now)
                }
            case .done, .dead, .discarded: break
            }
        }
    }

    /// A row joins its window where that is at the end of what the store has, and has room; else it waits in the store.
    func ready(_ row: StoredItem, _ source: Source) {
        let window = source.window(row.rank, hasMore: false)
        if window.hasMore || window.items.count >= Window.capacity {
            window.hasMore = true
            if window.wantsPage { readPage(source, window) }
            return
        }
        window.lastSeq = row.seq
        window.items.append(ActiveItem(row, source: source, isOlderThanBroker: row.id < store.firstID))
        touch(source)
    }

    func readPage(_ source: Source, _ window: Window) {
        guard window.wantsPage else { return }
        window.isReading = true
        window.hasMore = false
        let row = StoreReader.SourceRow(queue: source.queue, site: source.site, rank: window.rank)
        let after = window.lastSeq
        let me = NIOLoopBound((self, source, window), eventLoop: loop)
        store.read { (reader) throws(QueueStoreError) in
            try reader.ready(row, after: after, limit: Window.page)
        } completion: { result in
            let (dispatcher, source, window) = me.value
            window.isReading = false
            switch result {
            case .failure(let error):
                window.hasMore = true
                dispatcher.log.error("a page of ready items could not be read", metadata: ["error": "\(error)"])
                dispatcher.retryLater { $0.readPage(source, window) }
            case .success(let rows):
                if rows.count == Window.page { window.hasMore = true }
                for row in rows {
                    window.lastSeq = row.seq
                    window.items.append(
                        ActiveItem(row, source: source, isOlderThanBroker: row.id < dispatcher.store.firstID)
                    )
                }
                if !window.items.isEmpty { dispatcher.touch(source) }
                dispatcher.readPage(source, window)
            }
        }
    }

    // MARK: Due

    func expectDue(_ time: Int64) {
        let before = due.nextMs
        due.expect(time)
        if due.nextMs < before { scheduleDue() }
    }

    func scheduleDue() {
        guard !due.isAsking, due.nextMs != .max else { return }
        let wait = max(0, due.nextMs - clock.steadyMs)
        let expected = due.nextMs
        let me = NIOLoopBound(self, eventLoop: loop)
        loop.scheduleTask(in: .milliseconds(min(wait, 3_600_000))) {
            let dispatcher = me.value
            // An earlier time was set since, and has its own task.
            guard dispatcher.due.nextMs <= expected, !dispatcher.due.isAsking else { return }
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
                dispatcher.due.expect(now + 1000)
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

    // MARK: Writes

    func flushWrites() {
        guard !batch.isEmpty else { return }
        let written = batch
        batch = WriteBatch()
        write(written)
    }

    private func write(_ written: WriteBatch) {
        let wall = clock.wallMs
        let me = NIOLoopBound(self, eventLoop: loop)
        store.write { (transaction) throws(QueueStoreError) in
            try written.apply(to: transaction, nowMs: wall)
        } completion: { result in
            let dispatcher = me.value
            switch result {
            case .failure(let error):
                dispatcher.log.error(
                    "outcomes could not be written; they are kept and written again in a second",
                    metadata: ["error": "\(error)"]
                )
                dispatcher.retryLater { $0.write(written) }
            case .success(let kept):
                for hash in kept {
                    guard let lane = dispatcher.lanes[hash] else { continue }
                    lane.isSaved = true
                    lane.hasBacklog = true
                    dispatcher.listIfReady(lane, now: dispatcher.clock.steadyMs)
                }
                for delay in written.delays { dispatcher.expectDue(delay.dueMs) }
                for lane in written.savedLanes { dispatcher.expectDue(lane.nextAttemptMs) }
                dispatcher.forgetShutLanes(written.savedLanes.map(\.hash))
            }
        }
    }

    /// After a failure of the store: once more in a second, on the loop.
    func retryLater(_ work: @escaping (Dispatcher) -> Void) {
        let me = NIOLoopBound((self, work), eventLoop: loop)
        loop.scheduleTask(in: .seconds(1)) { me.value.1(me.value.0) }
    }
}
