// SPDX-License-Identifier: Apache-2.0
package import QueueCore

/// What an operator blocked: a pattern of targets, of one site or (empty) of all.
package struct TargetBlock: Hashable, Sendable {
    package var pattern: TargetPattern
    package var site: String
    /// Unix milliseconds.
    package var sinceMs: Int64

    /// What its lanes, and items that wait for none, have as their reason.
    package static let reason = "blocked by operator"

    package init(pattern: TargetPattern, site: String, sinceMs: Int64) {
        self.pattern = pattern
        self.site = site
        self.sinceMs = sinceMs
    }
}

extension TargetBlocks {
    package init(_ blocks: some Sequence<TargetBlock>) {
        self.init()
        for block in blocks { add(block.pattern, site: block.site) }
    }
}

extension StoreReader {
    package func blocks() throws(QueueStoreError) -> [TargetBlock] {
        let all = try HotStatement("SELECT pattern, site, since FROM block ORDER BY pattern, site", connection)
        defer { all.reset() }
        var blocks: [TargetBlock] = []
        while try all.step() {
            guard let pattern = TargetPattern(all.text(0)) else { continue }
            blocks.append(TargetBlock(pattern: pattern, site: all.text(1), sinceMs: all.int(2)))
        }
        return blocks
    }

    /// Items that wait, with an id behind `id` and up to `last`, and are for a target that `isMeant`.
    ///
    /// Looks at so many ids; `next` is where to go on, nil at the end.
    package func waiting(
        after id: Int64,
        upTo last: Int64,
        span: Int64,
        isMeant: (_ target: String, _ site: NameID) -> Bool
    ) throws(QueueStoreError) -> (items: [DroppedItem], next: Int64?) {
        let end = min(last, id + span)
        let find = try HotStatement(
            """
            SELECT \(DroppedItem.columns), target FROM item
            WHERE id > ? AND id <= ? AND state < 3 AND target IS NOT NULL
            """,
            connection
        )
        defer { find.reset() }
        find.bind(1, id)
        find.bind(2, end)
        var items: [DroppedItem] = []
        while try find.step() {
            guard isMeant(find.text(7), find.int(3)) else { continue }
            items.append(DroppedItem(find))
        }
        return (items, end < last ? end : nil)
    }

    /// The lowest and the highest id of all items; nil where there is none.
    package func idRange() throws(QueueStoreError) -> ClosedRange<Int64>? {
        let find = try HotStatement("SELECT (SELECT min(id) FROM item), (SELECT max(id) FROM item)", connection)
        defer { find.reset() }
        guard try find.step(), let low = find.optionalInt(0), let high = find.optionalInt(1) else { return nil }
        return low...high
    }
}

extension StoreTransaction {
    /// A target's items that wait by themselves for another attempt are due now; returns how many.
    package func hurry(target: String, site: NameID?, nowMs: Int64) throws(QueueStoreError) -> Int {
        let hurry = try HotStatement(
            """
            UPDATE item SET due = ?1 WHERE state = 1 AND due > ?1 AND target = ?2 AND attempts + kills + maybe > 0
                AND (?3 IS NULL OR site = ?3) AND text IS NOT ?4 RETURNING 1
            """,
            connection
        )
        hurry.bind(1, nowMs)
        hurry.bind(2, text: target)
        hurry.bind(3, site)
        hurry.bind(4, text: TargetBlock.reason)
        var count = 0
        while try hurry.step() { count += 1 }
        hurry.reset()
        return count
    }

    /// One that is there stays as it is, since when included.
    package func add(_ block: TargetBlock) throws(QueueStoreError) {
        let add = try HotStatement("INSERT OR IGNORE INTO block (pattern, site, since) VALUES (?, ?, ?)", connection)
        add.bind(1, text: block.pattern.text)
        add.bind(2, text: block.site)
        add.bind(3, block.sinceMs)
        try add.run()
    }

    package func remove(_ block: TargetBlock) throws(QueueStoreError) {
        let remove = try HotStatement("DELETE FROM block WHERE pattern = ? AND site = ?", connection)
        remove.bind(1, text: block.pattern.text)
        remove.bind(2, text: block.site)
        try remove.run()
    }

    /// The rows of lanes as `blocks` has it now: those that are blocked sleep, those that aren't any more are due.
    package func apply(_ blocks: TargetBlocks, nowMs: Int64) throws(QueueStoreError) {
        let all = try HotStatement(
            "SELECT hash, state, key, coalesce((SELECT text FROM name WHERE name.id = site), '') FROM lane",
            connection
        )
        var shut: [Int64] = []
        var freed: [Int64] = []
        while try all.step() {
            let isBlocked = blocks.matches(target: all.text(2), site: all.text(3))
            guard isBlocked != (all.int(1) == StoredLane.State.blocked.rawValue) else { continue }
            if isBlocked { shut.append(all.int(0)) } else { freed.append(all.int(0)) }
        }
        all.reset()
        let change = try HotStatement(
            "UPDATE lane SET state = ?, next_attempt = ?, reason = ? WHERE hash = ?",
            connection
        )
        for hash in shut {
            change.bind(1, StoredLane.State.blocked.rawValue)
            change.bind(2, StoredLane.never)
            change.bind(3, text: TargetBlock.reason)
            change.bind(4, hash)
            try change.run()
        }
        for hash in freed {
            // Nobody knows how the target is by now: it starts with a probe.
            change.bind(1, StoredLane.State.open.rawValue)
            change.bind(2, nowMs)
            change.bind(3, text: "unblocked")
            change.bind(4, hash)
            try change.run()
        }
        // Items that were held back one by one, since they share their lane with other targets.
        let free = try HotStatement("UPDATE item SET due = ? WHERE state = 1 AND due > ? AND text = ?", connection)
        free.bind(1, nowMs)
        free.bind(2, nowMs)
        free.bind(3, text: TargetBlock.reason)
        try free.run()
    }

    /// Gives up what waits of these, without making dead letters of it; returns those that still waited.
    package func discard(
        _ items: [DroppedItem],
        text: String,
        nowMs: Int64
    ) throws(QueueStoreError) -> [DroppedItem] {
        let drop = try HotStatement(
            "UPDATE item SET state = 5, due = ?, reason = 'dropped', text = ? WHERE id = ? AND state < 3 RETURNING 1",
            connection
        )
        var dropped: [DroppedItem] = []
        for item in items {
            drop.bind(1, nowMs)
            drop.bind(2, text: text)
            drop.bind(3, item.id)
            if try drop.step() { dropped.append(item) }
            drop.reset()
        }
        return dropped
    }
}
