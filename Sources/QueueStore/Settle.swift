// SPDX-License-Identifier: Apache-2.0
package import QueueCore

/// The statements that end a delivery, or move an item that waits.
final class SettleStatements {
    let finish, remove, wait, park, advance, bury, promote, readBody, isWaiting: HotStatement

    init(_ connection: OpaquePointer) throws(QueueStoreError) {
        func prepare(_ sql: String) throws(QueueStoreError) -> HotStatement { try HotStatement(sql, connection) }
        // In place: history costs no second row (docs/decisions/0003).
        finish = try prepare("UPDATE item SET state = 3, due = ? WHERE id = ? AND state < 3")
        isWaiting = try prepare("SELECT 1 FROM item WHERE id = ? AND state < 3")
        readBody = try prepare("SELECT body FROM item WHERE id = ?")
        remove = try prepare("DELETE FROM item WHERE id = ?")
        // A delete frame may have buried it since this was decided: it stays buried.
        wait = try prepare(
            "UPDATE item SET state = 1, due = ?, rank = ?, attempts = ?, kills = ?, maybe = ?, text = ? "
                + "WHERE id = ? AND state < 3"
        )
        park = try prepare(
            "UPDATE item SET state = 2, rank = ?, attempts = ?, kills = ?, maybe = ?, text = ? WHERE id = ? AND state < 3"
        )
        // One that was parked is in a ready order again; one that was buried meanwhile stays so.
        advance = try prepare(
            "UPDATE item SET state = iif(state < 3, 0, state), cursor = ?, rank = ?, seq = ?, attempts = 0, "
                + "text = iif(state < 3, NULL, text) WHERE id = ?"
        )
        bury = try prepare(
            "UPDATE item SET state = ?, due = ?, reason = ?, text = ?, attempts = ?, kills = ?, maybe = ? "
                + "WHERE id = ? AND state < 3"
        )
        promote = try prepare("UPDATE item SET state = 0, seq = ? WHERE id = ?")
    }
}

/// An item's three counts.
package struct Counts: Hashable, Sendable {
    package var attempts: Int64
    package var kills: Int64
    package var maybe: Int64

    package init(attempts: Int64 = 0, kills: Int64 = 0, maybe: Int64 = 0) {
        self.attempts = attempts
        self.kills = kills
        self.maybe = maybe
    }
}

extension StoreTransaction {
    /// Delivered: kept for history.
    package func finish(_ id: Int64, nowMs: Int64) throws(QueueStoreError) {
        settleStatements.finish.bind(1, nowMs)
        settleStatements.finish.bind(2, id)
        if try !settleStatements.finish.change() { try finishBuried(id, nowMs: nowMs) }
    }

    /// A delete frame or an operator buried it while it was being delivered: it is no dead letter, nor was it dropped.
    private func finishBuried(_ id: Int64, nowMs: Int64) throws(QueueStoreError) {
        let find = try HotStatement(
            """
            SELECT state, (SELECT text FROM name WHERE name.id = site), (SELECT text FROM name WHERE name.id = queue)
            FROM item WHERE id = ? AND state IN (4, 5)
            """,
            connection
        )
        find.bind(1, id)
        defer { find.reset() }
        guard try find.step() else { return }
        if find.int(0) == StoredState.dead.rawValue { note(.gone(id, site: find.text(1), queue: find.text(2))) }
        find.reset()
        let finish = try HotStatement(
            "UPDATE item SET state = 3, due = ?, reason = NULL, text = NULL WHERE id = ?",
            connection
        )
        finish.bind(1, nowMs)
        finish.bind(2, id)
        try finish.run()
    }

    /// False: it has ended, or is gone.
    package func isWaiting(_ id: Int64) throws(QueueStoreError) -> Bool {
        settleStatements.isWaiting.bind(1, id)
        defer { settleStatements.isWaiting.reset() }
        return try settleStatements.isWaiting.step()
    }

    /// Gone for good: a plain STOMP queue's item that was acknowledged, an operator's drop, history's end.
    package func remove(_ id: Int64) throws(QueueStoreError) {
        let statements = settleStatements
        statements.readBody.bind(1, id)
        if try statements.readBody.step(), let body = statements.readBody.optionalInt(0) { releaseBody(body) }
        statements.readBody.reset()
        statements.remove.bind(1, id)
        try statements.remove.run()
    }

    /// Waits until `dueMs`.
    package func delay(_ id: Int64, dueMs: Int64, rank: Rank, counts: Counts, text: String) throws(QueueStoreError) {
        let statement = settleStatements.wait
        statement.bind(1, dueMs)
        statement.bind(2, rank.rawValue)
        statement.bind(3, counts.attempts)
        statement.bind(4, counts.kills)
        statement.bind(5, counts.maybe)
        statement.bind(6, textOrNull: text)
        statement.bind(7, id)
        try statement.run()
    }

    /// Waits for its lane; the lane's row must be there (`save(lane:)`), in the same transaction or before.
    package func park(_ id: Int64, rank: Rank, counts: Counts, text: String) throws(QueueStoreError) {
        let statement = settleStatements.park
        statement.bind(1, rank.rawValue)
        statement.bind(2, counts.attempts)
        statement.bind(3, counts.kills)
        statement.bind(4, counts.maybe)
        statement.bind(5, textOrNull: text)
        statement.bind(6, id)
        try statement.run()
    }

    /// A chunk is done: the next delivery starts at `cursor`, at the end of the order of `rank`.
    ///
    /// Returns its new place.
    package func advance(_ id: Int64, cursor: [UInt8], rank: Rank) throws(QueueStoreError) -> Int64 {
        let seq = try takeID()
        let statement = settleStatements.advance
        statement.bind(1, blob: cursor)
        statement.bind(2, rank.rawValue)
        statement.bind(3, seq)
        statement.bind(4, id)
        try statement.run()
        return seq
    }

    /// To the dead letters; where not `isKept`, to history only.
    ///
    /// What has ended already stays as it is.
    package func bury(
        _ id: Int64,
        reason: DeadReason,
        text: String,
        counts: Counts,
        isKept: Bool,
        nowMs: Int64
    ) throws(QueueStoreError) {
        let statement = settleStatements.bury
        statement.bind(1, (isKept ? StoredState.dead : .discarded).rawValue)
        statement.bind(2, nowMs)
        statement.bind(3, text: reason.rawValue)
        statement.bind(4, textOrNull: text)
        statement.bind(5, counts.attempts)
        statement.bind(6, counts.kills)
        statement.bind(7, counts.maybe)
        statement.bind(8, id)
        if try statement.change(), isKept { note(.died(id)) }
    }

    /// Makes up to `limit` delayed items that are due ready, oldest first, at the end of the order of their rank; fewer
    /// where they have `maxBytes` octets of payload.
    ///
    /// `next` is when the next one is due; nil where none waits.
    package func promoteDue(
        nowMs: Int64,
        limit: Int,
        maxBytes: Int = 4 << 20
    ) throws(QueueStoreError) -> (items: [StoredItem], next: Int64?) {
        let due = try HotStatement(
            "SELECT \(StoreReader.columns) FROM item WHERE state = 1 AND due <= ? ORDER BY due, id LIMIT ?",
            connection
        )
        due.bind(1, nowMs)
        due.bind(2, Int64(limit))
        var items = try StoreReader.readItems(due, bodies: settleBodies, maxBytes: maxBytes)
        let promote = settleStatements.promote
        for index in items.indices {
            let seq = try takeID()
            promote.bind(1, seq)
            promote.bind(2, items[index].id)
            try promote.run()
            items[index].seq = seq
            items[index].state = .ready
        }
        let next = try HotStatement("SELECT min(due) FROM item WHERE state = 1", connection)
        let nextDue = try next.step() ? next.optionalInt(0) : nil
        next.reset()
        return (items, nextDue)
    }

    private var settleBodies: BodyLoader { BodyLoader(connection) }
}
