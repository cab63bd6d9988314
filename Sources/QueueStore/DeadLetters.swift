// SPDX-License-Identifier: Apache-2.0
package import QueueCore

/// Which dead letters a command means; all conditions together.
package struct DeadFilter: Sendable {
    /// None: whatever their ids.
    package var ids: [Int64] = []
    package var site: String?
    package var queue: String?
    package var target: String?
    package var reason: DeadReason?
    /// Died at or before this time (Unix milliseconds).
    package var diedBefore: Int64?
    /// Died at or after this time.
    package var diedAfter: Int64?
    /// Those that are enqueued later are left out, so that a command that takes its time comes to an end.
    package var lastID = Int64.max

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

/// Some dead letters, in order of id.
package struct DeadPage: Sendable {
    package var letters: [DeadLetter] = []
    /// Where the next page starts, also where this one is empty; nil: this was the last.
    package var next: Int64?
}

/// What a group did to a dead letter, for those who keep something of it elsewhere.
package enum DeadChange: Hashable, Sendable {
    /// It died, or what is told of it changed.
    case died(Int64)
    /// It was requeued or dropped; its names as it had them.
    case gone(Int64, site: String, queue: String)
}

extension StoreReader {
    /// How much of a letter is read.
    package enum DeadContent: Sendable {
        /// All but its frame, shared frame, cursor and headers.
        case outline
        case whole
    }

    /// Dead letters behind `id`: up to `limit`, or as many as have `maxBytes` octets of payload, of as many as a page
    /// looks at.
    package func dead(
        _ filter: DeadFilter,
        after id: Int64,
        limit: Int,
        _ content: DeadContent = .outline
    ) throws(QueueStoreError) -> DeadPage {
        try DeadQuery(filter, content, connection).page(after: id, limit: limit)
    }

    /// One dead letter with all that is stored of it; nil where there is none of this id.
    package func dead(id: Int64) throws(QueueStoreError) -> DeadLetter? {
        var filter = DeadFilter()
        filter.ids = [id]
        return try dead(filter, after: 0, limit: 1, .whole).letters.first
    }

    /// The newest one's id; 0 where there is none.
    package func lastDead() throws(QueueStoreError) -> Int64 {
        let last = try HotStatement(
            "SELECT max(id) FROM item INDEXED BY item_dead_order WHERE state = 4",
            connection
        )
        defer { last.reset() }
        return try last.step() ? last.int(0) : 0
    }
}

/// One search through the dead letters, page by page.
struct DeadQuery {
    /// Letters that one page looks at, fit or not: a rare target among a million holds nobody up.
    private static let scanned: Int64 = 10_000
    private static let idsAtOnce = 500
    private static let maxBytes = 4 << 20
    /// In the order of `StoreReader.columns`.
    private static let outline = """
        id, state, rank, seq, due, attempts, kills, maybe, queue, site, lane, NULL, notice, enqueued, expires, NULL, \
        target, lane_key, dedupe, NULL, x''
        """

    private let filter: DeadFilter
    private let content: StoreReader.DeadContent
    private let connection: OpaquePointer
    private let ids: [Int64]

    init(_ filter: DeadFilter, _ content: StoreReader.DeadContent, _ connection: OpaquePointer) {
        self.filter = filter
        self.content = content
        self.connection = connection
        ids = filter.ids.sorted()
    }

    func page(after id: Int64, limit: Int) throws(QueueStoreError) -> DeadPage {
        let named = ids.filter { $0 > id }.prefix(Self.idsAtOnce)
        if !ids.isEmpty, named.isEmpty { return DeadPage() }
        let edge = try ids.isEmpty ? edge(after: id) : named.last ?? id
        let isLast = ids.isEmpty ? edge >= filter.lastID : edge == ids.last
        let find = try HotStatement(sql(named), connection)
        bind(find, after: id, to: min(edge, filter.lastID), limit: limit)
        defer { find.reset() }
        let bodies = BodyLoader(connection)
        var page = DeadPage()
        var bytes = 0
        while bytes < Self.maxBytes, try find.step() {
            let item = try StoreReader.readItem(find, bodies: bodies)
            bytes += item.payload.count
            page.letters.append(
                DeadLetter(
                    item: item,
                    site: find.text(23),
                    queue: find.text(24),
                    reason: find.text(21),
                    text: find.text(22)
                )
            )
        }
        let isCut = page.letters.count == limit || bytes >= Self.maxBytes
        page.next = isCut ? page.letters.last?.item.id : isLast ? nil : edge
        return page
    }

    /// The last letter that a page behind `id` looks at; `.max` where those are all.
    private func edge(after id: Int64) throws(QueueStoreError) -> Int64 {
        let find = try HotStatement(
            "SELECT id FROM item INDEXED BY item_dead_order WHERE state = 4 AND id > ? ORDER BY id LIMIT 1 OFFSET ?",
            connection
        )
        find.bind(1, id)
        find.bind(2, Self.scanned - 1)
        defer { find.reset() }
        return try find.step() ? find.int(0) : .max
    }

    private func sql(_ named: ArraySlice<Int64>) -> String {
        var conditions = ["state = 4", "item.id > ?", "item.id <= ?"]
        // Numbers only: nothing that a user typed gets into the statement's text.
        if !named.isEmpty { conditions.append("item.id IN (\(named.map(String.init).joined(separator: ",")))") }
        if filter.site != nil { conditions.append("site = (SELECT id FROM name WHERE text = ?)") }
        if filter.queue != nil { conditions.append("queue = (SELECT id FROM name WHERE text = ?)") }
        if filter.target != nil { conditions.append("target = ?") }
        if filter.reason != nil { conditions.append("reason = ?") }
        if filter.diedBefore != nil { conditions.append("due <= ?") }
        if filter.diedAfter != nil { conditions.append("due >= ?") }
        let isOneSource = filter.site != nil && filter.queue != nil && named.isEmpty
        return """
            SELECT \(content == .whole ? StoreReader.columns : Self.outline), reason, text,
                (SELECT text FROM name WHERE name.id = site), (SELECT text FROM name WHERE name.id = queue)
            FROM item INDEXED BY \(isOneSource ? "item_dead" : "item_dead_order")
            WHERE \(conditions.joined(separator: " AND ")) ORDER BY item.id LIMIT ?
            """
    }

    private func bind(_ find: HotStatement, after id: Int64, to edge: Int64, limit: Int) {
        var index: Int32 = 0
        func place() -> Int32 {
            index += 1
            return index
        }
        find.bind(place(), id)
        find.bind(place(), edge)
        if let site = filter.site { find.bind(place(), text: site) }
        if let queue = filter.queue { find.bind(place(), text: queue) }
        if let target = filter.target { find.bind(place(), text: target) }
        if let reason = filter.reason { find.bind(place(), text: reason.rawValue) }
        if let before = filter.diedBefore { find.bind(place(), before) }
        if let after = filter.diedAfter { find.bind(place(), after) }
        find.bind(place(), Int64(limit))
    }
}
