// SPDX-License-Identifier: Apache-2.0
package import QueueCore

/// What a requeue makes of a dead letter.
package enum Revival: Sendable {
    /// Back to this queue of this site; what it names may have another name by now.
    case ready(queue: String, site: String, expiresMs: Int64)
    /// It would die again at once, for this reason: it stays where it is.
    case dead(DeadReason, text: String)
}

/// One page of a requeue.
package struct Requeued: Sendable {
    package var items: [StoredItem] = []
    /// Names of their queues and sites.
    package var names: [NameID: String] = [:]
    /// How many stayed dead.
    package var refused = 0
    /// Where the next page starts; nil: this was the last.
    package var next: Int64?
}

extension StoreTransaction {
    /// Sends dead letters back to a queue, in their old order, with counts and age reset; tells them as they are now.
    package func requeue(
        _ filter: DeadFilter,
        after id: Int64,
        limit: Int,
        nowMs: Int64,
        verdict: (DeadLetter) -> Revival
    ) throws(QueueStoreError) -> Requeued {
        let page = try DeadQuery(filter, .whole, connection).page(after: id, limit: limit)
        let revive = try HotStatement(
            """
            UPDATE item SET state = ?, seq = ?, due = 0, attempts = 0, kills = 0, maybe = 0, rank = ?, expires = ?,
                enqueued = ?, queue = ?, site = ?, lane = ?, dedupe_hash = ?, reason = NULL, text = NULL WHERE id = ?
            """,
            connection
        )
        let refuse = try HotStatement("UPDATE item SET reason = ?, text = ? WHERE id = ?", connection)
        var requeued = Requeued()
        requeued.next = page.next
        for letter in page.letters {
            switch verdict(letter) {
            case .dead(let reason, let text):
                refuse.bind(1, text: reason.rawValue)
                refuse.bind(2, textOrNull: text)
                refuse.bind(3, letter.item.id)
                try refuse.run()
                note(.died(letter.item.id))
                requeued.refused += 1
            case .ready(let queue, let site, let expiresMs):
                var item = letter.item
                item.queue = try nameID(queue)
                item.site = try nameID(site)
                requeued.names[item.queue] = queue
                requeued.names[item.site] = site
                let key = item.laneName
                item.lane = key.isEmpty ? nil : LaneHash(site: item.site, queue: item.queue, key: key)
                item.state = .ready
                if let lane = item.lane, laneCount > 0, try isListed(lane) { item.state = .parked }
                item.seq = try takeID()
                item.dueMs = 0
                item.rank = Rank(priority: item.rank.priority, isRetry: false)
                item.expiresMs = expiresMs
                item.enqueuedMs = nowMs
                (item.attempts, item.kills, item.maybe) = (0, 0, 0)
                revive.bind(1, item.state.rawValue)
                revive.bind(2, item.seq)
                revive.bind(3, item.rank.rawValue)
                revive.bind(4, item.expiresMs)
                revive.bind(5, nowMs)
                revive.bind(6, item.queue)
                revive.bind(7, item.site)
                revive.bind(8, item.lane?.rawValue)
                revive.bind(9, dedupeHash(of: item))
                revive.bind(10, item.id)
                try revive.run()
                note(.gone(letter.item.id, site: letter.site, queue: letter.queue))
                requeued.items.append(item)
            }
        }
        return requeued
    }

    private func dedupeHash(of item: StoredItem) -> Int64? {
        item.dedupeKey.isEmpty ? nil : hashOf(site: item.site, queue: item.queue, text: item.dedupeKey)
    }

    /// Removes one dead letter for good; its names as it has them.
    package func drop(dead id: Int64, site: String, queue: String) throws(QueueStoreError) {
        try remove(id)
        note(.gone(id, site: site, queue: queue))
    }

    /// Removes dead letters for good; returns how many, and where the next page starts.
    package func drop(
        _ filter: DeadFilter,
        after id: Int64,
        limit: Int
    ) throws(QueueStoreError) -> (count: Int, next: Int64?) {
        let page = try DeadQuery(filter, .outline, connection).page(after: id, limit: limit)
        for letter in page.letters {
            try drop(dead: letter.item.id, site: letter.site, queue: letter.queue)
        }
        return (page.letters.count, page.next)
    }
}
