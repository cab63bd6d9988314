// SPDX-License-Identifier: Apache-2.0
package import QueueCore

/// Which dead letters a command means; all conditions together.
package struct DeadFilter: Sendable {
    package var ids: [Int64] = []
    package var site: String?
    package var queue: String?
    package var target: String?
    package var reason: DeadReason?
    /// Died at or before this time (Unix milliseconds).
    package var diedBefore: Int64?

    package init() {}
}

/// A dead letter as operators see it.
package struct DeadLetter: Sendable {
    package var item: StoredItem
    package var site: String
    package var queue: String
    package var reason: String
    package var text: String
}

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
    package var last: Int64?
}

extension StoreReader {
    /// Dead letters behind `id`, in order of id.
    package func dead(_ filter: DeadFilter, after id: Int64, limit: Int) throws(QueueStoreError) -> [DeadLetter] {
        try Self.dead(connection, filter, after: id, limit: limit)
    }

    /// One dead letter with all that is stored of it; nil where there is none of this id.
    package func dead(id: Int64) throws(QueueStoreError) -> DeadLetter? {
        var filter = DeadFilter()
        filter.ids = [id]
        return try dead(filter, after: 0, limit: 1).first
    }

    static func dead(
        _ connection: OpaquePointer,
        _ filter: DeadFilter,
        after id: Int64,
        limit: Int
    ) throws(QueueStoreError) -> [DeadLetter] {
        var conditions = ["state = 4", "item.id > ?"]
        if !filter.ids.isEmpty {
            // Numbers only: nothing that a user typed gets into the statement's text.
            conditions.append("item.id IN (\(filter.ids.map(String.init).joined(separator: ",")))")
        }
        if filter.site != nil { conditions.append("site = (SELECT id FROM name WHERE text = ?)") }
        if filter.queue != nil { conditions.append("queue = (SELECT id FROM name WHERE text = ?)") }
        if filter.target != nil { conditions.append("target = ?") }
        if filter.reason != nil { conditions.append("reason = ?") }
        if filter.diedBefore != nil { conditions.append("due <= ?") }
        let find = try HotStatement(
            """
            SELECT \(columns), reason, text, (SELECT text FROM name WHERE name.id = site),
                (SELECT text FROM name WHERE name.id = queue)
            FROM item WHERE \(conditions.joined(separator: " AND ")) ORDER BY item.id LIMIT ?
            """,
            connection
        )
        var index: Int32 = 1
        func place() -> Int32 {
            defer { index += 1 }
            return index
        }
        find.bind(place(), id)
        if let site = filter.site { find.bind(place(), text: site) }
        if let queue = filter.queue { find.bind(place(), text: queue) }
        if let target = filter.target { find.bind(place(), text: target) }
        if let reason = filter.reason { find.bind(place(), text: reason.rawValue) }
        if let before = filter.diedBefore { find.bind(place(), before) }
        find.bind(place(), Int64(limit))
        let bodies = BodyLoader(connection)
        var letters: [DeadLetter] = []
        while try find.step() {
            letters.append(
                DeadLetter(
                    item: try readItem(find, bodies: bodies),
                    site: find.text(23),
                    queue: find.text(24),
                    reason: find.text(21),
                    text: find.text(22)
                )
            )
        }
        find.reset()
        return letters
    }
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
        let letters = try StoreReader.dead(connection, filter, after: id, limit: limit)
        let revive = try HotStatement(
            """
            UPDATE item SET state = ?, seq = ?, due = 0, attempts = 0, kills = 0, maybe = 0, rank = ?, expires = ?,
                enqueued = ?, queue = ?, site = ?, lane = ?, dedupe_hash = ?, reason = NULL, text = NULL WHERE id = ?
            """,
            connection
        )
        let refuse = try HotStatement("UPDATE item SET reason = ?, text = ? WHERE id = ?", connection)
        var requeued = Requeued()
        requeued.last = letters.last?.item.id
        for letter in letters {
            switch verdict(letter) {
            case .dead(let reason, let text):
                refuse.bind(1, text: reason.rawValue)
                refuse.bind(2, textOrNull: text)
                refuse.bind(3, letter.item.id)
                try refuse.run()
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
                requeued.items.append(item)
            }
        }
        return requeued
    }

    private func dedupeHash(of item: StoredItem) -> Int64? {
        item.dedupeKey.isEmpty ? nil : hashOf(site: item.site, queue: item.queue, text: item.dedupeKey)
    }

    /// Removes dead letters for good; returns how many, and the last one's id.
    package func drop(
        _ filter: DeadFilter,
        after id: Int64,
        limit: Int
    ) throws(QueueStoreError) -> (count: Int, last: Int64?) {
        let letters = try StoreReader.dead(connection, filter, after: id, limit: limit)
        for letter in letters { try remove(letter.item.id) }
        return (letters.count, letters.last?.item.id)
    }
}
