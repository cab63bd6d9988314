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
    /// from; nil at the end, which is where all rows came in later than `before`: in order of id nothing older follows,
    /// so that a pass looks at what goes and what stays for another reason, not at all of history.
    package func forget(
        before: Int64,
        keyedBefore: Int64? = nil,
        after id: Int64,
        limit: Int
    ) throws(QueueStoreError) -> (removed: Int, next: Int64?) {
        let find = try HotStatement(
            "SELECT id, state, due, dedupe_hash IS NOT NULL, enqueued, seq FROM item WHERE id > ? ORDER BY id LIMIT ?",
            connection
        )
        find.bind(1, id)
        find.bind(2, Int64(limit * 10))
        var old: [Int64] = []
        var last: Int64?
        var (hasOlder, hasYounger) = (false, false)
        while try find.step() {
            last = find.int(0)
            let isEnded = [StoredState.done.rawValue, StoredState.discarded.rawValue].contains(find.int(1))
            let bound = find.int(3) == 0 ? before : min(before, keyedBefore ?? before)
            if isEnded, find.int(2) < bound { old.append(find.int(0)) }
            // A requeue keeps the id and starts the age anew: that row, known by its place, says nothing of the next ones.
            if find.int(5) == find.int(0) {
                if find.int(4) < before { hasOlder = true } else { hasYounger = true }
            }
            if old.count == limit { break }
        }
        find.reset()
        for id in old { try remove(id) }
        return (old.count, hasYounger && !hasOlder && old.isEmpty ? nil : last)
    }

    /// Removes notices that were seen first before `before` and have no items any more, of up to `limit` behind `id`.
    ///
    /// Returns the place to go on from; nil at the end.
    package func forgetNotices(before: Int64, after id: Int64, limit: Int) throws(QueueStoreError) -> Int64? {
        let find = try HotStatement(
            """
            SELECT id, seen < ?1, seen < ?1 AND NOT EXISTS (SELECT 1 FROM item WHERE item.notice = notice.id)
            FROM notice WHERE id > ?2 ORDER BY id LIMIT ?3
            """,
            connection
        )
        find.bind(1, before)
        find.bind(2, id)
        find.bind(3, Int64(limit))
        var (old, last, count): ([Int64], Int64?, Int) = ([], nil, 0)
        var hasOlder = false
        while try find.step() {
            count += 1
            last = find.int(0)
            if find.int(1) != 0 { hasOlder = true }
            if find.int(2) != 0 { old.append(find.int(0)) }
        }
        find.reset()
        let drop = try HotStatement("DELETE FROM notice WHERE id = ?", connection)
        for id in old {
            drop.bind(1, id)
            try drop.run()
        }
        return hasOlder && count == limit ? last : nil
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
