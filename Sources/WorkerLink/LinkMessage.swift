// SPDX-License-Identifier: Apache-2.0
package import NIOCore
package import QueueCore

// The worker link: length-prefixed binary messages between the embedded broker and a worker over a Unix socket. One
// message carries many items or many results, which is what makes the fan-out cheap (docs/decisions/0004-worker-link.md).
//
// To change this: raise `LinkHello.protocolVersion`. Broker and worker are the same executable, except during an upgrade of
// hostd itself: there a changed version makes the supervisor replace the broker before the workers. A worker of another
// version is refused, and tries again until it is replaced.

/// One message either way.
package enum LinkMessage: Sendable {
    /// Worker, first message.
    case hello(LinkHello)
    /// Worker: deliveries that ended.
    case results([ItemResult])
    /// Worker: items to add outside a delivery; answered by `enqueued` once they are durable.
    case enqueue(request: UInt64, site: SiteName, [NewItem])
    /// Worker: give nobody an item of this lane (empty: of this queue) for so long; 0 lets it go on at once.
    case hold(site: SiteName, queue: QueueName, lane: String, ms: UInt32, text: String)
    /// Worker: sends these sites no more items (drain, or a site that could not be opened); empty = all sites.
    case refuse([SiteName])
    /// Worker: takes items of these sites again.
    case accept([SiteName])
    /// Worker: serves these queues from now on, in the place of those that its hello named (a changed breakout).
    case serve([QueueCredit])
    /// Broker: items to handle.
    case deliver(DeliveredBatch)
    /// Broker: nil error = they are durable.
    case enqueued(request: UInt64, error: String?)
    /// Broker: cancel these deliveries soon (a delete frame took them away, a target was blocked).
    case cancel([UInt64])
    /// Broker: the first so many results of this link are on disk, or nobody's any more; the worker may forget them.
    case settled(UInt64)
}

/// Who the worker is and what it serves.
package struct LinkHello: Hashable, Sendable {
    package static let protocolVersion: UInt32 = 3

    package var version = LinkHello.protocolVersion
    package var plugin: PluginName
    package var pluginVersion: String
    package var generation: UInt32
    package var pid: Int32
    package var journalPath: String
    /// Made for items that may have killed a worker: it gets nothing else.
    package var isHunter: Bool
    package var queues: [QueueCredit]
    /// The greatest `DeliveredItem.id` that it ever had; 0 = none.
    ///
    /// Ids of this link begin behind it.
    package var lastDelivery: UInt64 = 0
    /// What it has of earlier links: deliveries in their handlers, and those whose results aren't known to be on disk.
    package var held: [HeldDelivery] = []

    package init(
        plugin: PluginName,
        pluginVersion: String,
        generation: UInt32,
        pid: Int32,
        journalPath: String,
        isHunter: Bool = false,
        queues: [QueueCredit]
    ) {
        self.plugin = plugin
        self.pluginVersion = pluginVersion
        self.generation = generation
        self.pid = pid
        self.journalPath = journalPath
        self.isHunter = isHunter
        self.queues = queues
    }
}

/// A delivery of an earlier link that its worker still has.
///
/// `item`, `place` and `attempt` are as in `DeliveredItem`: where they are still the item's, the delivery is still the
/// worker's.
package struct HeldDelivery: Hashable, Sendable {
    package var id: UInt64
    package var item: UInt64
    package var place: Int64
    package var attempt: UInt32

    package init(id: UInt64, item: UInt64, place: Int64, attempt: UInt32) {
        self.id = id
        self.item = item
        self.place = place
        self.attempt = attempt
    }

    package init(_ item: DeliveredItem) {
        self.init(id: item.id, item: item.item, place: item.place, attempt: item.attempt)
    }
}

/// How many items of a queue a worker takes at once, and of which sites.
package struct QueueCredit: Hashable, Sendable {
    package var queue: QueueName
    package var credit: UInt32
    package var sites: SiteScope

    package init(queue: QueueName, credit: UInt32, sites: SiteScope = .all) {
        self.queue = queue
        self.credit = credit
        self.sites = sites
    }
}

/// How one delivery ended.
///
/// `id` is `DeliveredItem.id`.
package struct ItemResult: Hashable, Sendable {
    package var id: UInt64
    package var outcome: Outcome
    package var staged: [NewItem]
    /// Microseconds from handle() to complete(), for `hostd_delivery_seconds`.
    package var elapsedUs: UInt32

    package init(id: UInt64, outcome: Outcome, staged: [NewItem] = [], elapsedUs: UInt32 = 0) {
        self.id = id
        self.outcome = outcome
        self.staged = staged
        self.elapsedUs = elapsedUs
    }
}

/// A part of a `DeliveredBatch`'s bytes.
package struct ByteSpan: Hashable, Sendable {
    package var offset: UInt32
    package var count: UInt32
    package static let empty = ByteSpan(offset: 0, count: 0)

    package init(offset: UInt32, count: UInt32) {
        self.offset = offset
        self.count = count
    }
}

/// One item on its way to a handler.
///
/// Spans point into `DeliveredBatch.bytes`.
package struct DeliveredItem: Hashable, Sendable {
    package struct Flags: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        package static let afterCrash = Flags(rawValue: 1)
        package static let lastTry = Flags(rawValue: 2)
        package static let maybeDuplicate = Flags(rawValue: 4)
    }

    /// Names this delivery of the item in results; never used again within a worker's life.
    package var id: UInt64
    /// The item's own id, stable over redeliveries.
    package var item: UInt64
    /// Its place in the order of its queue: another one after each change of what is to be done.
    package var place: Int64 = 0
    package var site: SiteName
    package var queue: QueueName
    package var payload = ByteSpan.empty
    package var shared = ByteSpan.empty
    package var lane = ByteSpan.empty
    package var dedupeKey = ByteSpan.empty
    package var cursor = ByteSpan.empty
    /// 1, 2, ...
    package var attempt: UInt32 = 1
    package var kills: UInt32 = 0
    package var flags: Flags = []
    package var enqueuedMs: Int64 = 0
    /// 0 = the host's default.
    package var timeoutMs: UInt32 = 0

    package init(id: UInt64, item: UInt64, site: SiteName, queue: QueueName) {
        self.id = id
        self.item = item
        self.site = site
        self.queue = queue
    }
}

/// Items that travel together, with the bytes that they point into.
///
/// A shared body is in there once.
package struct DeliveredBatch: Sendable {
    package var bytes: ByteBuffer
    package var items: [DeliveredItem]

    package init(bytes: ByteBuffer, items: [DeliveredItem]) {
        self.bytes = bytes
        self.items = items
    }
}
