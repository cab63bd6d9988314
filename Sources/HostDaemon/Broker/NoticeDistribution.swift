// SPDX-License-Identifier: Apache-2.0
import Control
import NIOCore
import QueueCore
import QueueStore

/// What becomes of an item of the queue `notice`, inside the transaction that takes it off the queue: one item on the
/// stage-1 queue of every plugin that its site enables for notices (docs/decisions/0005).
///
/// A delete frame drops what still waits of its notice, wherever that is, and goes to the plugins that want to hear of it
/// to take back the rest: behind what they have delivered, and nothing of the notice is staged after it.
///
/// A value, so that it can be carried to the store's thread.
struct NoticeDistribution: Sendable {
    private let site: String
    /// One for each stage-1 queue, without its frame.
    private let templates: [Incoming]
    /// The same for delete frames.
    private let deletes: [Incoming]
    private let wallMs: Int64
    private let steadyMs: Int64
    private let dedupeSince: Int64

    init(site: String, enqueuedMs: Int64, core: BrokerCore) {
        self.site = site
        // Of a site that is configured: what waits for one that isn't is not handed out.
        let name = SiteName(unchecked: site)
        func template(_ queue: QueueName) -> Incoming {
            core.own(site: site, queue: queue.rawValue, payload: [], nowMs: enqueuedMs)
        }
        templates = core.directory.noticeQueues(of: name).map(template)
        deletes = core.directory.deleteQueues(of: name).map(template)
        wallMs = core.clock.wallMs
        steadyMs = core.clock.steadyMs
        dedupeSince = wallMs - core.configuration.dedupeWindowMs
    }

    /// Ends the item `row`, which is in the store; what it led to is added to `stored`.
    func run(
        _ row: StoredItem,
        _ counts: Counts,
        _ transaction: StoreTransaction,
        _ stored: inout StoredItems
    )
        throws(QueueStoreError)
    {
        switch NoticeFrame(row.payload) {
        case .bad(let text): return try bury(row, .badFrame, text, counts, transaction, &stored)
        case .delete(let uri):
            stored.dropped += try transaction.dropNotice(site: site, uri: uri, nowMs: wallMs)
            // Not among the notice's items: a second delete frame must not drop what the first one is doing.
            try stage(deletes, row, notice: nil, transaction, &stored)
        case .distribute(let identity):
            let notice = try transaction.notice(
                site: site,
                number: identity.number,
                uri: identity.uri,
                nowMs: wallMs
            )
            try stage(templates, row, notice: notice, transaction, &stored)
        }
        try transaction.finish(row.id, nowMs: wallMs)
        stored.distributed.append((row, false))
    }

    private func stage(
        _ templates: [Incoming],
        _ row: StoredItem,
        notice: Int64?,
        _ transaction: StoreTransaction,
        _ stored: inout StoredItems
    ) throws(QueueStoreError) {
        for var item in templates {
            item.payload = row.payload
            item.notice = notice
            item.priority = row.rank.priority
            item.expiresMs = row.expiresMs
            try stored.add(item, transaction, nowMs: steadyMs, dedupeSince: dedupeSince)
        }
    }

    private func bury(
        _ row: StoredItem,
        _ reason: DeadReason,
        _ text: String,
        _ counts: Counts,
        _ transaction: StoreTransaction,
        _ stored: inout StoredItems
    ) throws(QueueStoreError) {
        try transaction.bury(row.id, reason: reason, text: text, counts: counts, isKept: true, nowMs: wallMs)
        stored.distributed.append((row, true))
    }
}

/// Items that a transaction stored, with the names that it met.
struct StoredItems: Sendable {
    var items: [StoredItem] = []
    var names: [NameID: String] = [:]
    /// Items of the queue `notice` that ended, and whether as dead letters.
    var distributed: [(row: StoredItem, isBad: Bool)] = []
    /// What delete frames buried.
    var dropped: [DroppedItem] = []

    /// Returns the item; nil: it is a duplicate.
    @discardableResult
    mutating func add(
        _ new: Incoming,
        _ transaction: StoreTransaction,
        nowMs: Int64,
        dedupeSince: Int64
    ) throws(QueueStoreError) -> StoredItem? {
        guard let item = try insert(new, transaction, nowMs: nowMs, dedupeSince: dedupeSince) else { return nil }
        items.append(item)
        return item
    }

    /// A notice that is distributed at once: it never waits in its queue.
    mutating func distribute(
        _ new: Incoming,
        _ distribution: NoticeDistribution,
        _ transaction: StoreTransaction,
        nowMs: Int64,
        dedupeSince: Int64
    ) throws(QueueStoreError) {
        guard let row = try insert(new, transaction, nowMs: nowMs, dedupeSince: dedupeSince) else { return }
        try distribution.run(row, Counts(), transaction, &self)
    }

    private mutating func insert(
        _ new: Incoming,
        _ transaction: StoreTransaction,
        nowMs: Int64,
        dedupeSince: Int64
    ) throws(QueueStoreError) -> StoredItem? {
        guard case .stored(let item) = try transaction.insert(new, nowMs: nowMs, dedupeSince: dedupeSince) else {
            return nil
        }
        if names[item.queue] == nil { names[item.queue] = new.queue }
        if item.site != 0, names[item.site] == nil { names[item.site] = new.site }
        return item
    }
}
