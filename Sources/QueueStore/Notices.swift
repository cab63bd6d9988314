// SPDX-License-Identifier: Apache-2.0

/// A notice that went through the store.
package struct NoticeRow: Hashable, Sendable {
    package var id: Int64
    package var site: String
    package var number: String
    package var uri: String
}

/// One item of a notice, for `queuectl notice`.
package struct NoticeItem: Sendable {
    package var id: Int64
    package var queue: String
    package var target: String
    package var state: StoredState
    package var attempts: Int64
    /// Delayed: when it is due.
    ///
    /// Parked: its lane's next attempt. Else 0.
    package var nextAttemptMs: Int64
    package var reason: String
    package var text: String
}

/// Where the targets of a notice are.
package struct NoticeCounts: Hashable, Sendable {
    package var delivered: Int64 = 0
    package var waiting: Int64 = 0
    package var retrying: Int64 = 0
    package var dead: Int64 = 0
}

/// Where an item was when it was buried by somebody else than its holder.
package struct DroppedItem: Hashable, Sendable {
    package var id: Int64
    package var state: StoredState
    package var queue: NameID
    package var site: NameID
    package var rank: Rank
    package var seq: Int64
    package var lane: LaneHash?

    /// What `init(_:)` reads, as the first of a row.
    static let columns = "id, state, queue, site, rank, seq, lane"

    init(_ row: HotStatement) {
        id = row.int(0)
        state = StoredState(rawValue: row.int(1)) ?? .ready
        queue = row.int(2)
        site = row.int(3)
        rank = Rank(rawValue: row.int(4))
        seq = row.int(5)
        lane = row.optionalInt(6).map(LaneHash.init(rawValue:))
    }
}

extension StoreTransaction {
    /// The row of a notice, made at its first use.
    package func notice(site: String, number: String, uri: String, nowMs: Int64) throws(QueueStoreError) -> Int64 {
        let siteID = try nameID(site)
        let find = try HotStatement("SELECT id FROM notice WHERE uri = ? AND site = ? AND number = ?", connection)
        find.bind(1, text: uri)
        find.bind(2, siteID)
        find.bind(3, text: number)
        if try find.step() {
            defer { find.reset() }
            return find.int(0)
        }
        find.reset()
        let add = try HotStatement(
            "INSERT INTO notice (site, number, uri, seen) VALUES (?, ?, ?, ?) RETURNING id",
            connection
        )
        add.bind(1, siteID)
        add.bind(2, text: number)
        add.bind(3, text: uri)
        add.bind(4, nowMs)
        defer { add.reset() }
        return try add.step() ? add.int(0) : 0
    }

    /// Buries what still waits of a site's notice; returns where it was, since some may be claimed or in memory.
    package func dropNotice(site: String, uri: String, nowMs: Int64) throws(QueueStoreError) -> [DroppedItem] {
        let siteID = try nameID(site)
        let find = try HotStatement(
            """
            SELECT \(DroppedItem.columns) FROM item
            WHERE state < 3 AND notice IN (SELECT id FROM notice WHERE uri = ? AND site = ?)
            """,
            connection
        )
        find.bind(1, text: uri)
        find.bind(2, siteID)
        var dropped: [DroppedItem] = []
        while try find.step() { dropped.append(DroppedItem(find)) }
        find.reset()
        let drop = try HotStatement(
            "UPDATE item SET state = 4, due = ?, reason = 'dropped', text = 'the notice was deleted' WHERE id = ?",
            connection
        )
        for item in dropped {
            drop.bind(1, nowMs)
            drop.bind(2, item.id)
            try drop.run()
            note(.died(item.id))
        }
        return dropped
    }
}

extension StoreReader {
    /// Notices of this number or URI, over all sites or one.
    package func notices(_ name: String, site: String?) throws(QueueStoreError) -> [NoticeRow] {
        let find = try HotStatement(
            """
            SELECT id, (SELECT text FROM name WHERE name.id = site), number, uri FROM notice
            WHERE (number = ?1 OR uri = ?1) ORDER BY id DESC
            """,
            connection
        )
        find.bind(1, text: name)
        var rows: [NoticeRow] = []
        while try find.step() {
            let row = NoticeRow(id: find.int(0), site: find.text(1), number: find.text(2), uri: find.text(3))
            if site == nil || site == row.site { rows.append(row) }
        }
        find.reset()
        return rows
    }

    /// Items that have a target are counted; a notice's stage-1 items have none.
    package func counts(ofNotice id: Int64) throws(QueueStoreError) -> NoticeCounts {
        let count = try HotStatement(
            """
            SELECT state, attempts + maybe > 0 OR state = 2, count(*) FROM item INDEXED BY item_notice
            WHERE notice = ? AND target IS NOT NULL GROUP BY 1, 2
            """,
            connection
        )
        count.bind(1, id)
        var counts = NoticeCounts()
        while try count.step() {
            let number = count.int(2)
            switch StoredState(rawValue: count.int(0)) {
            case .done: counts.delivered += number
            case .dead, .discarded: counts.dead += number
            case .ready, .delayed, .parked, nil:
                if count.int(1) != 0 { counts.retrying += number } else { counts.waiting += number }
            }
        }
        count.reset()
        return counts
    }

    package func items(ofNotice id: Int64, after item: Int64, limit: Int) throws(QueueStoreError) -> [NoticeItem] {
        let find = try HotStatement(
            """
            SELECT item.id, (SELECT text FROM name WHERE name.id = item.queue), target, item.state, attempts,
                CASE item.state WHEN 1 THEN due WHEN 2 THEN coalesce(lane.next_attempt, 0) ELSE 0 END,
                item.reason, coalesce(text, CASE item.state WHEN 2 THEN lane.reason END)
            FROM item LEFT JOIN lane ON item.state = 2 AND lane.hash = item.lane
            WHERE notice = ? AND item.id > ? ORDER BY item.id LIMIT ?
            """,
            connection
        )
        find.bind(1, id)
        find.bind(2, item)
        find.bind(3, Int64(limit))
        var items: [NoticeItem] = []
        while try find.step() {
            items.append(
                NoticeItem(
                    id: find.int(0),
                    queue: find.text(1),
                    target: find.text(2),
                    state: StoredState(rawValue: find.int(3)) ?? .ready,
                    attempts: find.int(4),
                    nextAttemptMs: find.int(5),
                    reason: find.text(6),
                    text: find.text(7)
                )
            )
        }
        find.reset()
        return items
    }
}
