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
        var dropped: [DroppedItem] = []
        // By the partial indexes of what waits: what was delivered isn't looked at.
        let indexes: [(StoredState, String)] = [
            (.ready, "item_ready"), (.delayed, "item_delayed"), (.parked, "item_parked"),
        ]
        for (state, index) in indexes where dropped.count < limit {
            let find = try HotStatement(
                """
                SELECT id, queue, rank, seq, lane FROM item INDEXED BY \(index)
                WHERE state = \(state.rawValue) AND site = ? LIMIT ?
                """,
                connection
            )
            find.bind(1, siteID)
            find.bind(2, Int64(limit - dropped.count))
            while try find.step() {
                dropped.append(
                    DroppedItem(
                        id: find.int(0),
                        state: state,
                        queue: find.int(1),
                        site: siteID,
                        rank: Rank(rawValue: find.int(2)),
                        seq: find.int(3),
                        lane: find.optionalInt(4).map(LaneHash.init(rawValue:))
                    )
                )
            }
            find.reset()
        }
        let drop = try HotStatement(
            "UPDATE item SET state = ?, due = ?, reason = ?, text = ? WHERE id = ?",
            connection
        )
        for item in dropped {
            drop.bind(1, StoredState.discarded.rawValue)
            drop.bind(2, nowMs)
            drop.bind(3, text: DeadReason.dropped.rawValue)
            drop.bind(4, text: text)
            drop.bind(5, item.id)
            try drop.run()
        }
        return dropped
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
