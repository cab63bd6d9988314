// SPDX-License-Identifier: Apache-2.0
import QueueCore

/// Loads shared bodies, each once per page.
final class BodyLoader {
    private let connection: OpaquePointer
    private var statement: HotStatement?
    private var loaded: [Int64: SharedBody] = [:]

    init(_ connection: OpaquePointer) { self.connection = connection }

    func body(_ id: Int64) throws(QueueStoreError) -> SharedBody? {
        if let body = loaded[id] { return body }
        let find: HotStatement
        if let statement {
            find = statement
        } else {
            find = try HotStatement("SELECT bytes FROM body WHERE id = ?", connection)
            statement = find
        }
        find.bind(1, id)
        let isThere = try find.step()
        let body = isThere ? SharedBody(id: id, bytes: find.blob(0)) : nil
        find.reset()
        loaded[id] = body
        return body
    }
}

/// What can be read from the store.
///
/// Confined to the store's reading thread.
package final class StoreReader {
    static let columns = """
        id, state, rank, seq, due, attempts, kills, maybe, queue, site, lane, body, notice, enqueued, expires, cursor, \
        target, lane_key, dedupe, headers, payload
        """

    let connection: OpaquePointer
    private let readyPage, parkedPage, sources: HotStatement

    init(_ connection: OpaquePointer) throws(QueueStoreError) {
        self.connection = connection
        readyPage = try HotStatement(
            """
            SELECT \(Self.columns) FROM item INDEXED BY item_ready
            WHERE state = 0 AND queue = ? AND site = ? AND rank = ? AND seq > ? ORDER BY seq LIMIT ?
            """,
            connection
        )
        parkedPage = try HotStatement(
            """
            SELECT \(Self.columns) FROM item INDEXED BY item_parked
            WHERE state = 2 AND lane = ? AND id > ? ORDER BY id LIMIT ?
            """,
            connection
        )
        // A loose index scan: one step a (queue, site, rank), however many items each has.
        sources = try HotStatement(
            """
            WITH RECURSIVE s(queue, site, rank) AS (
                SELECT * FROM (SELECT queue, site, rank FROM item INDEXED BY item_ready WHERE state = 0
                    ORDER BY queue, site, rank LIMIT 1)
                UNION ALL
                SELECT i.queue, i.site, i.rank FROM s JOIN item i ON i.id = (
                    SELECT id FROM item INDEXED BY item_ready WHERE state = 0
                        AND (queue, site, rank) > (s.queue, s.site, s.rank) ORDER BY queue, site, rank LIMIT 1))
            SELECT queue, site, rank FROM s
            """,
            connection
        )
    }

    /// A place in the store that has ready items.
    package struct SourceRow: Hashable, Sendable {
        package var queue: NameID
        package var site: NameID
        package var rank: Rank

        package init(queue: NameID, site: NameID, rank: Rank) {
            self.queue = queue
            self.site = site
            self.rank = rank
        }
    }

    package func readySources() throws(QueueStoreError) -> [SourceRow] {
        var rows: [SourceRow] = []
        while try sources.step() {
            rows.append(
                SourceRow(queue: sources.int(0), site: sources.int(1), rank: Rank(rawValue: sources.int(2)))
            )
        }
        sources.reset()
        return rows
    }

    /// Ready items of a source behind `seq`, in order: up to `limit`, or as many as have `maxBytes` octets of payload.
    package func ready(
        _ source: SourceRow,
        after seq: Int64,
        limit: Int,
        maxBytes: Int = .max
    ) throws(QueueStoreError) -> [StoredItem] {
        readyPage.bind(1, source.queue)
        readyPage.bind(2, source.site)
        readyPage.bind(3, source.rank.rawValue)
        readyPage.bind(4, seq)
        readyPage.bind(5, Int64(limit))
        return try Self.readItems(readyPage, bodies: BodyLoader(connection), maxBytes: maxBytes)
    }

    /// Items that wait for their lane behind `id`, in order of enqueue.
    package func parked(_ lane: LaneHash, after id: Int64, limit: Int) throws(QueueStoreError) -> [StoredItem] {
        parkedPage.bind(1, lane.rawValue)
        parkedPage.bind(2, id)
        parkedPage.bind(3, Int64(limit))
        return try Self.readItems(parkedPage, bodies: BodyLoader(connection))
    }

    /// Those of these items that wait, in their order or for their lane.
    package func waiting(_ ids: [Int64]) throws(QueueStoreError) -> [StoredItem] {
        let find = try HotStatement("SELECT \(Self.columns) FROM item WHERE id = ? AND state IN (0, 2)", connection)
        let bodies = BodyLoader(connection)
        var items: [StoredItem] = []
        for id in ids {
            find.bind(1, id)
            items += try Self.readItems(find, bodies: bodies)
        }
        return items
    }

    /// The earliest time at which a delayed item is due; nil where none waits.
    package func nextDue() throws(QueueStoreError) -> Int64? {
        let next = try HotStatement("SELECT min(due) FROM item WHERE state = 1", connection)
        defer { next.reset() }
        return try next.step() ? next.optionalInt(0) : nil
    }

    package func names() throws(QueueStoreError) -> [NameID: String] {
        let all = try HotStatement("SELECT id, text FROM name", connection)
        var names: [NameID: String] = [:]
        while try all.step() { names[all.int(0)] = all.text(1) }
        return names
    }

    static func readItems(
        _ statement: HotStatement,
        bodies: BodyLoader,
        maxBytes: Int = .max
    ) throws(QueueStoreError) -> [StoredItem] {
        defer { statement.reset() }
        var items: [StoredItem] = []
        var bytes = 0
        while bytes < maxBytes, try statement.step() {
            let item = try readItem(statement, bodies: bodies)
            bytes += item.payload.count
            items.append(item)
        }
        return items
    }

    static func readItem(_ row: HotStatement, bodies: BodyLoader) throws(QueueStoreError) -> StoredItem {
        var body: SharedBody?
        if let id = row.optionalInt(11) { body = try bodies.body(id) }
        return StoredItem(
            id: row.int(0),
            state: StoredState(rawValue: row.int(1)) ?? .ready,
            rank: Rank(rawValue: row.int(2)),
            seq: row.int(3),
            dueMs: row.int(4),
            attempts: row.int(5),
            kills: row.int(6),
            maybe: row.int(7),
            queue: row.int(8),
            site: row.int(9),
            lane: row.optionalInt(10).map(LaneHash.init(rawValue:)),
            body: body,
            notice: row.optionalInt(12),
            enqueuedMs: row.int(13),
            expiresMs: row.int(14),
            cursor: row.blob(15),
            target: row.text(16),
            laneKey: row.text(17),
            dedupeKey: row.text(18),
            headers: row.blob(19),
            payload: row.blob(20)
        )
    }
}
