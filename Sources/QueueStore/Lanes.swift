// SPDX-License-Identifier: Apache-2.0

/// The statements over lanes that aren't in their default state.
final class LaneStatements {
    static let columns = "hash, queue, site, key, state, next_attempt, openings, reason, failed"
    let count, save, remove, hasParked, due, next, find: HotStatement

    init(_ connection: OpaquePointer) throws(QueueStoreError) {
        func prepare(_ sql: String) throws(QueueStoreError) -> HotStatement { try HotStatement(sql, connection) }
        count = try prepare("SELECT count(*) FROM lane")
        save = try prepare(
            """
            INSERT INTO lane (\(Self.columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (hash) DO UPDATE SET state = excluded.state, next_attempt = excluded.next_attempt,
                openings = excluded.openings, reason = excluded.reason, failed = excluded.failed
            """
        )
        remove = try prepare("DELETE FROM lane WHERE hash = ? RETURNING 1")
        hasParked = try prepare("SELECT 1 FROM item INDEXED BY item_parked WHERE state = 2 AND lane = ? LIMIT 1")
        due = try prepare(
            "SELECT \(Self.columns) FROM lane WHERE next_attempt <= ? ORDER BY next_attempt LIMIT ?"
        )
        next = try prepare("SELECT min(next_attempt) FROM lane WHERE next_attempt > ?")
        find = try prepare("SELECT hash FROM lane WHERE hash = ?")
    }

    func countAll() throws(QueueStoreError) -> Int64 {
        defer { count.reset() }
        return try count.step() ? count.int(0) : 0
    }

    static func row(_ row: HotStatement) -> StoredLane {
        StoredLane(
            hash: LaneHash(rawValue: row.int(0)),
            queue: row.int(1),
            site: row.int(2),
            key: row.text(3),
            state: StoredLane.State(rawValue: row.int(4)) ?? .open,
            nextAttemptMs: row.int(5),
            openings: row.int(6),
            reason: row.text(7),
            failedMs: row.int(8)
        )
    }
}

extension StoreTransaction {
    /// Writes a lane that left its default state, or that has parked items.
    package func save(lane: StoredLane) throws(QueueStoreError) {
        let statements = laneStatements
        let statement = statements.save
        statement.bind(1, lane.hash.rawValue)
        statement.bind(2, lane.queue)
        statement.bind(3, lane.site)
        statement.bind(4, text: lane.key)
        statement.bind(5, lane.state.rawValue)
        statement.bind(6, lane.nextAttemptMs)
        statement.bind(7, lane.openings)
        statement.bind(8, text: lane.reason)
        statement.bind(9, lane.failedMs)
        let exists = try isSaved(lane.hash)
        try statement.run()
        if !exists { lanesChanged(by: 1) }
    }

    private func isSaved(_ hash: LaneHash) throws(QueueStoreError) -> Bool {
        laneStatements.find.bind(1, hash.rawValue)
        defer { laneStatements.find.reset() }
        return try laneStatements.find.step()
    }

    /// The lane is in its default state again.
    ///
    /// False where items are still parked in it: then the row stays.
    package func remove(lane hash: LaneHash) throws(QueueStoreError) -> Bool {
        let statements = laneStatements
        statements.hasParked.bind(1, hash.rawValue)
        let hasParked = try statements.hasParked.step()
        statements.hasParked.reset()
        if hasParked { return false }
        statements.remove.bind(1, hash.rawValue)
        if try statements.remove.step() { lanesChanged(by: -1) }
        statements.remove.reset()
        return true
    }

    /// Lanes whose time has come, and when the next one's comes.
    ///
    /// What is returned is pushed back by `leaseMs`, so that it isn't returned again while its probe is under way; a
    /// crash just makes it wait for so long, where its circuit is open.
    package func dueLanes(
        nowMs: Int64,
        limit: Int,
        leaseMs: Int64
    ) throws(QueueStoreError) -> (lanes: [StoredLane], next: Int64?) {
        let statements = laneStatements
        statements.due.bind(1, nowMs)
        statements.due.bind(2, Int64(limit))
        var lanes: [StoredLane] = []
        while try statements.due.step() { lanes.append(LaneStatements.row(statements.due)) }
        statements.due.reset()
        for lane in lanes {
            var leased = lane
            leased.nextAttemptMs = nowMs + leaseMs
            // Its hold is over: after a crash nothing waits for the lease.
            if leased.state == .held { leased.state = .closed }
            try save(lane: leased)
        }
        statements.next.bind(1, nowMs)
        let next = try statements.next.step() ? statements.next.optionalInt(0) : nil
        statements.next.reset()
        return (lanes, lanes.count == limit ? nowMs : next)
    }
}

extension StoreReader {
    /// Lanes that back off: open, held or blocked; the soonest first, and how many items are parked in each.
    package func lanes(limit: Int) throws(QueueStoreError) -> [(lane: StoredLane, waiting: Int64)] {
        let all = try HotStatement(
            """
            SELECT \(LaneStatements.columns),
                (SELECT count(*) FROM item INDEXED BY item_parked WHERE state = 2 AND lane = hash)
            FROM lane WHERE state > 0 ORDER BY next_attempt LIMIT ?
            """,
            connection
        )
        all.bind(1, Int64(limit))
        return try Self.lanes(all)
    }

    /// All lanes of this name that have a row, over all sites and queues.
    package func lanes(key: String) throws(QueueStoreError) -> [(lane: StoredLane, waiting: Int64)] {
        let all = try HotStatement(
            """
            SELECT \(LaneStatements.columns),
                (SELECT count(*) FROM item INDEXED BY item_parked WHERE state = 2 AND lane = hash)
            FROM lane WHERE key = ? ORDER BY site, queue
            """,
            connection
        )
        all.bind(1, text: key)
        return try Self.lanes(all)
    }

    private static func lanes(
        _ statement: HotStatement
    ) throws(QueueStoreError) -> [(lane: StoredLane, waiting: Int64)] {
        defer { statement.reset() }
        var rows: [(StoredLane, Int64)] = []
        while try statement.step() { rows.append((LaneStatements.row(statement), statement.int(9))) }
        return rows
    }

    /// All lanes that have a row.
    package func allLanes() throws(QueueStoreError) -> Set<LaneHash> {
        let all = try HotStatement("SELECT hash FROM lane", connection)
        var lanes: Set<LaneHash> = []
        while try all.step() { lanes.insert(LaneHash(rawValue: all.int(0))) }
        return lanes
    }

    /// How many lanes back off, by why.
    package func laneCounts() throws(QueueStoreError) -> [StoredLane.State: Int64] {
        let count = try HotStatement("SELECT state, count(*) FROM lane WHERE state > 0 GROUP BY state", connection)
        defer { count.reset() }
        var counts: [StoredLane.State: Int64] = [:]
        while try count.step() {
            if let state = StoredLane.State(rawValue: count.int(0)) { counts[state] = count.int(1) }
        }
        return counts
    }

    /// When the first lane's time comes; nil where there is none.
    package func nextLane() throws(QueueStoreError) -> Int64? {
        let next = try HotStatement("SELECT min(next_attempt) FROM lane", connection)
        defer { next.reset() }
        return try next.step() ? next.optionalInt(0) : nil
    }
}
