// SPDX-License-Identifier: Apache-2.0

// What became of a target's items. No index leads there, since it would cost a write for each delivery: the table is
// read in spans of ids, a few milliseconds each, so that dispatch isn't held up.

/// How many of a target's items wait in a site and queue, but for those that wait for their lane.
package struct TargetWaiting: Hashable, Sendable {
    package var queue: NameID
    package var site: NameID
    /// Empty = the target.
    package var laneKey: String
    package var count: Int64
}

/// An item of a target that ended.
package struct EndedItem: Sendable {
    package var id: Int64
    package var state: StoredState
    package var endedMs: Int64
    package var text: String
}

/// Finished items of a target that are to go out again.
package struct Replayable: Sendable {
    package var item: StoredItem
    package var site: String
    package var queue: String
    /// It names a body that is there no more.
    package var isFrameGone: Bool
}

extension StoreReader {
    /// Ids that one read looks at.
    package static let historySpan: Int64 = 50_000

    /// Looks at up to `limit` waiting items for each state.
    package func waiting(forTarget target: String, limit: Int) throws(QueueStoreError) -> [TargetWaiting] {
        let find = try HotStatement(
            """
            SELECT queue, site, lane_key, count(*) FROM (
                SELECT * FROM (SELECT queue, site, lane_key, target FROM item INDEXED BY item_ready
                    WHERE state = 0 LIMIT ?2)
                UNION ALL
                SELECT * FROM (SELECT queue, site, lane_key, target FROM item INDEXED BY item_delayed
                    WHERE state = 1 LIMIT ?2))
            WHERE target = ?1 GROUP BY queue, site, lane_key
            """,
            connection
        )
        defer { find.reset() }
        find.bind(1, text: target)
        find.bind(2, Int64(limit))
        var rows: [TargetWaiting] = []
        while try find.step() {
            rows.append(
                TargetWaiting(queue: find.int(0), site: find.int(1), laneKey: find.text(2), count: find.int(3))
            )
        }
        return rows
    }

    /// The target's delivered and dead items with an id below `id`, in one span of ids; `next`: where to go on.
    package func ended(
        target: String,
        below id: Int64,
        downTo first: Int64
    ) throws(QueueStoreError) -> (items: [EndedItem], next: Int64?) {
        let start = max(first, id - Self.historySpan)
        let find = try HotStatement(
            "SELECT id, state, due, text FROM item WHERE id >= ? AND id < ? AND state IN (3, 4) AND target = ?",
            connection
        )
        defer { find.reset() }
        find.bind(1, start)
        find.bind(2, id)
        find.bind(3, text: target)
        var items: [EndedItem] = []
        while try find.step() {
            let state = StoredState(rawValue: find.int(1)) ?? .done
            items.append(EndedItem(id: find.int(0), state: state, endedMs: find.int(2), text: find.text(3)))
        }
        return (items, start > first ? start : nil)
    }

    /// The target's items that were delivered, or died, at `since` or later, in order of id, behind `id`.
    ///
    /// Up to `limit`, in one span of ids. What a delete frame or an operator took away isn't among them.
    package func replayable(
        target: String,
        since: Int64,
        site: String?,
        queue: String?,
        after id: Int64,
        upTo last: Int64,
        limit: Int
    ) throws(QueueStoreError) -> (items: [Replayable], next: Int64?) {
        let end = min(last, id + Self.historySpan)
        let find = try HotStatement(
            """
            SELECT \(Self.columns), (SELECT text FROM name WHERE name.id = item.site),
                (SELECT text FROM name WHERE name.id = item.queue)
            FROM item WHERE id > ? AND id <= ? AND target = ? AND state IN (3, 4) AND due >= ?
                AND reason IS NOT 'dropped' ORDER BY id
            """,
            connection
        )
        defer { find.reset() }
        find.bind(1, id)
        find.bind(2, end)
        find.bind(3, text: target)
        find.bind(4, since)
        let bodies = BodyLoader(connection)
        var items: [Replayable] = []
        while try find.step() {
            let (siteName, queueName) = (find.text(21), find.text(22))
            if let site, site != siteName { continue }
            if let queue, queue != queueName { continue }
            let item = try Self.readItem(find, bodies: bodies)
            let isFrameGone = find.optionalInt(11) != nil && item.body == nil
            items.append(Replayable(item: item, site: siteName, queue: queueName, isFrameGone: isFrameGone))
            if items.count == limit { return (items, item.id) }
        }
        return (items, end < last ? end : nil)
    }
}
