// SPDX-License-Identifier: Apache-2.0

/// How many items of a queue are in which state.
package struct StateCount: Hashable, Sendable {
    package var queue: NameID
    package var site: NameID
    package var state: StoredState
    package var count: Int64
}

extension StoreTransaction {
    /// Removes up to `limit` delivered items that ended before `before`, oldest first, looking at up to 10 times as
    /// many rows behind `id`.
    ///
    /// Those with a dedupe key stay until they ended before `keyedBefore` (nil: `before`). Returns the place to go on
    /// from; nil at the end.
    package func forget(
        before: Int64,
        keyedBefore: Int64? = nil,
        after id: Int64,
        limit: Int
    ) throws(QueueStoreError) -> (removed: Int, next: Int64?) {
        let find = try HotStatement(
            "SELECT id, state, due, dedupe_hash IS NOT NULL FROM item WHERE id > ? ORDER BY id LIMIT ?",
            connection
        )
        find.bind(1, id)
        find.bind(2, Int64(limit * 10))
        var old: [Int64] = []
        var last: Int64?
        while try find.step() {
            last = find.int(0)
            let isEnded = [StoredState.done.rawValue, StoredState.discarded.rawValue].contains(find.int(1))
            let bound = find.int(3) == 0 ? before : min(before, keyedBefore ?? before)
            if isEnded, find.int(2) < bound { old.append(find.int(0)) }
            if old.count == limit { break }
        }
        find.reset()
        for id in old { try remove(id) }
        if last == nil {
            let notices = try HotStatement(
                "DELETE FROM notice WHERE seen < ? AND NOT EXISTS (SELECT 1 FROM item WHERE item.notice = notice.id)",
                connection
            )
            notices.bind(1, before)
            try notices.run()
        }
        return (old.count, last)
    }
}

extension StoreReader {
    /// Counts by queue, site and state, from the partial indexes alone: what was delivered isn't looked at.
    package func stateCounts() throws(QueueStoreError) -> [StateCount] {
        var counts: [StateCount] = []
        let states: [(StoredState, String)] = [
            (.ready, "item_ready"), (.delayed, "item_delayed"), (.parked, "item_parked"), (.dead, "item_dead"),
        ]
        for (state, index) in states {
            let count = try HotStatement(
                """
                SELECT queue, site, count(*) FROM item INDEXED BY \(index) WHERE state = \(state.rawValue)
                GROUP BY queue, site
                """,
                connection
            )
            while try count.step() {
                counts.append(StateCount(queue: count.int(0), site: count.int(1), state: state, count: count.int(2)))
            }
            count.reset()
        }
        return counts
    }
}
