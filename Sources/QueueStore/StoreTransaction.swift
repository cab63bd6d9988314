// SPDX-License-Identifier: Apache-2.0
import GRDBSQLite
import QueueCore

/// What can be written inside a group's transaction.
///
/// Confined to the store's writing thread.
package final class StoreTransaction {
    /// Ids are taken from blocks that are reserved on disk, so that none is used twice, whatever was deleted since.
    private static let idBlock: Int64 = 100_000

    let connection: OpaquePointer
    package let firstID: Int64
    /// This store's own number: says whose files in queue.dead_letter_dir are.
    let storeID: Int64
    private var nextID: Int64
    private var reservedID: Int64
    private var names: [String: NameID] = [:]
    var bodyRefs: [Int64: Int64] = [:]
    private var refsAtSavepoint: [Int64: Int64] = [:]
    private var idsAtSavepoint: (next: Int64, reserved: Int64) = (0, 0)
    var lastBody: SharedBody?
    /// What the group did to dead letters, in order.
    private(set) var deadChanges: [DeadChange] = []
    private var changesAtSavepoint = 0
    /// Rows in `lane`: while there is none, no insert has to look.
    private(set) var laneCount: Int64 = 0
    private var countersAtBegin: (nextID: Int64, reservedID: Int64, laneCount: Int64) = (0, 0, 0)
    private var newNames: [String] = []

    private let beginStatement, commitStatement, rollbackStatement: HotStatement
    private let savepointStatement, releaseStatement, undoStatement: HotStatement
    private let reserve, insertName, insertItem, findDuplicate, addRefs, dropBody, findLane: HotStatement
    let findBody, insertBody, countPages, countFreePages: HotStatement
    /// What `max_page_count` was set to; 0: nothing yet.
    var pageLimit: Int64 = 0
    let laneStatements: LaneStatements
    let settleStatements: SettleStatements

    init(_ connection: OpaquePointer) throws(QueueStoreError) {
        self.connection = connection
        func prepare(_ sql: String) throws(QueueStoreError) -> HotStatement { try HotStatement(sql, connection) }
        beginStatement = try prepare("BEGIN IMMEDIATE")
        commitStatement = try prepare("COMMIT")
        rollbackStatement = try prepare("ROLLBACK")
        savepointStatement = try prepare("SAVEPOINT work")
        releaseStatement = try prepare("RELEASE work")
        undoStatement = try prepare("ROLLBACK TO work")
        reserve = try prepare("INSERT OR REPLACE INTO meta (key, value) VALUES ('next_id', ?)")
        insertName = try prepare("INSERT INTO name (id, text) VALUES (?, ?)")
        insertItem = try prepare(
            """
            INSERT INTO item (id, state, rank, seq, due, attempts, kills, maybe, queue, site, lane, body, notice, enqueued,
                expires, dedupe_hash, reason, text, target, lane_key, dedupe, headers, payload)
            VALUES (?, ?, ?, ?, ?, 0, 0, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """
        )
        findDuplicate = try prepare(
            "SELECT id FROM item WHERE dedupe_hash = ? AND dedupe = ? AND queue = ? AND site = ? AND "
                + "(state < 3 OR due >= ?) LIMIT 1"
        )
        findBody = try prepare("SELECT id FROM body WHERE hash = ? AND bytes = ?")
        insertBody = try prepare("INSERT INTO body (hash, refs, bytes) VALUES (?, 0, ?) RETURNING id")
        addRefs = try prepare("UPDATE body SET refs = refs + ? WHERE id = ?")
        dropBody = try prepare("DELETE FROM body WHERE id = ? AND refs <= 0")
        countPages = try prepare("PRAGMA page_count")
        countFreePages = try prepare("PRAGMA freelist_count")
        findLane = try prepare("SELECT 1 FROM lane WHERE hash = ?")
        laneStatements = try LaneStatements(connection)
        settleStatements = try SettleStatements(connection)

        let readID = try prepare("SELECT value FROM meta WHERE key = 'next_id'")
        let reserved = try readID.step() ? readID.int(0) : 1
        readID.reset()
        let readStoreID = try prepare("SELECT value FROM meta WHERE key = 'store_id'")
        storeID = try readStoreID.step() ? readStoreID.int(0) : 0
        readStoreID.reset()
        firstID = reserved
        nextID = reserved
        reservedID = reserved
        let allNames = try prepare("SELECT text, id FROM name")
        while try allNames.step() { names[allNames.text(0)] = allNames.int(1) }
        allNames.reset()
        laneCount = try laneStatements.countAll()
        // A closed lane with parked items was looked after in memory, which is gone.
        try HotStatement("UPDATE lane SET next_attempt = 0 WHERE state = 0", connection).run()
    }

    // MARK: Groups

    func begin() throws(QueueStoreError) {
        countersAtBegin = (nextID, reservedID, laneCount)
        newNames = []
        bodyRefs = [:]
        deadChanges = []
        lastBody = nil
        try beginStatement.run()
    }

    func savepoint() throws(QueueStoreError) {
        refsAtSavepoint = bodyRefs
        idsAtSavepoint = (nextID, reservedID)
        changesAtSavepoint = deadChanges.count
        try savepointStatement.run()
    }

    /// True after an error for which SQLite rolled the whole transaction back by itself: a full disk, some I/O errors.
    var isLost: Bool { sqlite3_get_autocommit(connection) != 0 }

    func release() throws(QueueStoreError) { try releaseStatement.run() }

    func undo() throws(QueueStoreError) {
        try undoStatement.run()
        try releaseStatement.run()
        bodyRefs = refsAtSavepoint
        deadChanges.removeLast(deadChanges.count - changesAtSavepoint)
        // With what was undone went the reservation on disk, if it made one.
        (nextID, reservedID) = idsAtSavepoint
        lastBody = nil
        // Undoing is rare enough for these to be read anew.
        laneCount = try laneStatements.countAll()
        try forgetNamesNotStored()
    }

    func commit() throws(QueueStoreError) {
        for (body, delta) in bodyRefs {
            if delta != 0 {
                addRefs.bind(1, delta)
                addRefs.bind(2, body)
                try addRefs.run()
            }
            // At 0 too: a body that came and went within the group.
            if delta <= 0 {
                dropBody.bind(1, body)
                try dropBody.run()
            }
        }
        try commitStatement.run()
    }

    /// After a failure: SQLite may have rolled back by itself already, then this one fails and nothing is wrong.
    func rollback() {
        do throws(QueueStoreError) { try rollbackStatement.run() } catch {}
        (nextID, reservedID, laneCount) = countersAtBegin
        for name in newNames { names[name] = nil }
        deadChanges = []
        lastBody = nil
    }

    private func forgetNamesNotStored() throws(QueueStoreError) {
        let find = try HotStatement("SELECT 1 FROM name WHERE text = ?", connection)
        for name in newNames {
            find.bind(1, text: name)
            if try !find.step() { names[name] = nil }
            find.reset()
        }
    }

    // MARK: Ids and names

    /// The next number of the sequence that ids and places in a ready order are taken from.
    func takeID() throws(QueueStoreError) -> Int64 {
        if nextID >= reservedID {
            reservedID = nextID + Self.idBlock
            reserve.bind(1, reservedID)
            try reserve.run()
        }
        defer { nextID += 1 }
        return nextID
    }

    /// The number of a name, given out at its first use; 0 for an empty one.
    package func nameID(_ name: String) throws(QueueStoreError) -> NameID {
        if name.isEmpty { return 0 }
        if let id = names[name] { return id }
        let id = Int64(names.count + 1)
        insertName.bind(1, id)
        insertName.bind(2, text: name)
        try insertName.run()
        names[name] = id
        newNames.append(name)
        return id
    }

    // MARK: Insert

    package enum Inserted: Sendable {
        case stored(StoredItem)
        /// An item with the same dedupe key is there, or was within the window.
        case duplicate(of: Int64)
    }

    /// Adds an item.
    ///
    /// `dedupeSince`: an ended item with the same dedupe key counts if it ended at or after this time.
    package func insert(_ new: Incoming, nowMs: Int64, dedupeSince: Int64) throws(QueueStoreError) -> Inserted {
        let queue = try nameID(new.queue)
        let site = try nameID(new.site)
        var dedupeHash: Int64?
        if !new.dedupeKey.isEmpty {
            let hash = hashOf(site: site, queue: queue, text: new.dedupeKey)
            dedupeHash = hash
            findDuplicate.bind(1, hash)
            findDuplicate.bind(2, text: new.dedupeKey)
            findDuplicate.bind(3, queue)
            findDuplicate.bind(4, site)
            findDuplicate.bind(5, dedupeSince)
            let isThere = try findDuplicate.step()
            let other = isThere ? findDuplicate.int(0) : 0
            findDuplicate.reset()
            if isThere { return .duplicate(of: other) }
        }
        let lane = lane(of: new, site: site, queue: queue)
        var state = StoredState.ready
        if new.dead != nil {
            state = .dead
        } else if new.dueMs > nowMs {
            state = .delayed
        } else if let lane, laneCount > 0, try isListed(lane) {
            state = .parked
        }
        let id = try takeID()
        let body = try body(new.shared)
        // When it ended is for people, as `enqueued` is; what waits goes by the steady clock.
        let due = state == .dead ? new.enqueuedMs : state == .delayed ? new.dueMs : 0
        let rank = Rank(priority: new.priority, isRetry: false)
        let laneKey = new.lane == new.target ? "" : new.lane
        insertItem.bind(1, id)
        insertItem.bind(2, state.rawValue)
        insertItem.bind(3, rank.rawValue)
        insertItem.bind(4, id)
        insertItem.bind(5, due)
        insertItem.bind(6, queue)
        insertItem.bind(7, site)
        insertItem.bind(8, lane?.rawValue)
        insertItem.bind(9, body?.id)
        insertItem.bind(10, new.notice)
        insertItem.bind(11, new.enqueuedMs)
        insertItem.bind(12, new.expiresMs)
        insertItem.bind(13, dedupeHash)
        insertItem.bind(14, textOrNull: new.dead?.reason.rawValue ?? "")
        insertItem.bind(15, textOrNull: new.dead?.text ?? "")
        insertItem.bind(16, textOrNull: new.target)
        insertItem.bind(17, textOrNull: laneKey)
        insertItem.bind(18, textOrNull: new.dedupeKey)
        insertItem.bind(19, blobOrNull: new.headers)
        insertItem.bind(20, blob: new.payload)
        try insertItem.run()
        if state == .dead { note(.died(id)) }
        return .stored(
            StoredItem(
                id: id,
                state: state,
                rank: rank,
                seq: id,
                dueMs: due,
                attempts: 0,
                kills: 0,
                maybe: 0,
                queue: queue,
                site: site,
                lane: lane,
                body: body,
                notice: new.notice,
                enqueuedMs: new.enqueuedMs,
                expiresMs: new.expiresMs,
                cursor: [],
                target: new.target,
                laneKey: laneKey,
                dedupeKey: new.dedupeKey,
                headers: new.headers,
                payload: new.payload
            )
        )
    }

    private func lane(of new: Incoming, site: NameID, queue: NameID) -> LaneHash? {
        let key = new.lane.isEmpty ? new.target : new.lane
        return key.isEmpty ? nil : LaneHash(site: site, queue: queue, key: key)
    }

    func hashOf(site: NameID, queue: NameID, text: String) -> Int64 {
        var hash = StableHash()
        hash.add(UInt64(bitPattern: site))
        hash.add(UInt64(bitPattern: queue))
        hash.add(text)
        return Int64(bitPattern: hash.value)
    }

    func isListed(_ lane: LaneHash) throws(QueueStoreError) -> Bool {
        findLane.bind(1, lane.rawValue)
        let isThere = try findLane.step()
        findLane.reset()
        return isThere
    }

    func lanesChanged(by delta: Int64) { laneCount += delta }

    func note(_ change: DeadChange) { deadChanges.append(change) }
}
