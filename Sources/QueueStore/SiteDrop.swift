// SPDX-License-Identifier: Apache-2.0
import QueueCore

extension StoreTransaction {
    /// Discards what still waits of a site, a page at a time; dead letters and history stay.
    ///
    /// Returns where the items were, since some may be in memory; an empty page is the last.
    package func dropWaiting(
        site: String,
        text: String,
        limit: Int,
        nowMs: Int64
    ) throws(QueueStoreError) -> [DroppedItem] {
        let siteID = try nameID(site)
        var waiting: [DroppedItem] = []
        // By the partial indexes of what waits: what was delivered isn't looked at.
        let indexes: [(StoredState, String)] = [
            (.ready, "item_ready"), (.delayed, "item_delayed"), (.parked, "item_parked"),
        ]
        for (state, index) in indexes where waiting.count < limit {
            let find = try HotStatement(
                """
                SELECT \(DroppedItem.columns) FROM item INDEXED BY \(index)
                WHERE state = \(state.rawValue) AND site = ? LIMIT ?
                """,
                connection
            )
            find.bind(1, siteID)
            find.bind(2, Int64(limit - waiting.count))
            while try find.step() { waiting.append(DroppedItem(find)) }
            find.reset()
        }
        return try discard(waiting, text: text, nowMs: nowMs)
    }
}

extension StoreReader {
    /// How many items of a site wait, and how many are dead letters.
    package func counts(ofSite site: String) throws(QueueStoreError) -> (waiting: Int64, dead: Int64) {
        let names = try names()
        var counts = (waiting: Int64(0), dead: Int64(0))
        for count in try stateCounts() where names[count.site] == site {
            switch count.state {
            case .ready, .delayed, .parked: counts.waiting += count.count
            case .dead: counts.dead += count.count
            case .done, .discarded: break
            }
        }
        return counts
    }
}
