// SPDX-License-Identifier: Apache-2.0
import DequeModule
import QueueCore
import QueueStore

/// Ready items of one rank: the next ones in memory, the rest in the store behind `lastSeq`.
final class Window {
    /// Octets of payload past which nothing is read ahead.
    static let maxBytes = 4 << 20

    let rank: Rank
    private(set) var items = Deque<ActiveItem>()
    private var bytes = 0
    var lastSeq: Int64 = 0
    /// The store may have items behind `lastSeq`.
    var hasMore: Bool
    var isReading = false

    init(rank: Rank, hasMore: Bool) {
        self.rank = rank
        self.hasMore = hasMore
    }

    func append(_ item: ActiveItem) {
        lastSeq = item.row.seq
        bytes += item.row.payload.count
        items.append(item)
    }

    /// It waits elsewhere in memory.
    func pass(_ item: ActiveItem) { lastSeq = item.row.seq }

    func popFirst() -> ActiveItem? {
        guard let item = items.popFirst() else { return nil }
        bytes -= item.row.payload.count
        return item
    }

    func removeAll(where isMeant: (ActiveItem) -> Bool) {
        items.removeAll(where: isMeant)
        bytes = items.reduce(0) { $0 + $1.row.payload.count }
    }

    /// It is running low; `page` is how many are read at a time.
    func wantsPage(of page: Int) -> Bool {
        hasMore && !isReading && items.count < page / 4 && bytes < Self.maxBytes / 4
    }

    func isFull(page: Int) -> Bool { items.count >= page * 2 || bytes >= Self.maxBytes }
}

/// The waiting items of one site in one queue (of a plain STOMP queue: site 0).
///
/// Confined to the broker's loop.
final class Source {
    let queue: NameID
    let site: NameID
    unowned let line: QueueLine
    /// By rank, first first; few.
    private(set) var windows: [Window] = []
    /// Given back unhandled, in order: they go first.
    private(set) var returned = Deque<ActiveItem>()
    /// Closed lanes with an item that may start.
    var unblocked = Deque<Lane>()
    /// Lanes whose probe may start: held to the retry budget.
    var retrying = Deque<Lane>()
    var claimed = 0
    /// Who had its last item.
    weak var holder: (any Consumer)?
    var heldUntilMs: Int64 = 0
    /// The handler's words for that.
    var holdReason = ""
    var isPaused = false
    /// Its site is configured and enables the queue's plugin; where not, its items wait for that.
    var isConfigured = true
    /// Its items may be handed out.
    var isOpen: Bool { isConfigured && !isPaused }
    var picks = 0
    /// Items a second over the last ten seconds.
    var rateIn = CountRing()
    var rateOut = CountRing()

    init(queue: NameID, site: NameID, line: QueueLine) {
        self.queue = queue
        self.site = site
        self.line = line
    }

    /// The window of a rank; a new one looks into the store where `hasMore`.
    func window(_ rank: Rank, hasMore: Bool) -> Window {
        if let window = windows.first(where: { $0.rank == rank }) { return window }
        let window = Window(rank: rank, hasMore: hasMore)
        windows.insert(window, at: windows.firstIndex { $0.rank > rank } ?? windows.endIndex)
        return window
    }

    /// Items that wait in memory, but for those that wait in their lanes.
    var waiting: Int { windows.reduce(returned.count) { $0 + $1.items.count } }

    /// A queue for one worker per site: while another still has an item of this one, nobody else gets any.
    func isHeld(against consumer: any Consumer) -> Bool {
        claimed > 0 && line.handler?.descriptor.isSingleton == true && holder !== consumer && holder != nil
    }

    /// True: nothing here can start before something new happens.
    var isDry: Bool { unblocked.isEmpty && retrying.isEmpty && waiting == 0 }

    /// Nothing of it waits, here or in the store's ready order.
    var isEmpty: Bool { isDry && windows.allSatisfy { !$0.hasMore && !$0.isReading } }

    /// An item goes back to its place.
    func putBack(_ item: ActiveItem) {
        var low = 0
        var high = returned.count
        while low < high {
            let middle = (low + high) / 2
            if returned[middle].isBefore(item) { low = middle + 1 } else { high = middle }
        }
        returned.insert(item, at: low)
    }

    func takeReturned() -> ActiveItem? { returned.popFirst() }

    /// Items that wait in memory, but for those that wait in their lanes.
    func removeAll(where isMeant: (ActiveItem) -> Bool) {
        returned.removeAll(where: isMeant)
        for window in windows { window.removeAll(where: isMeant) }
    }
}

/// All sites' sources of one queue, with who takes from it.
final class QueueLine {
    let queue: NameID
    let name: String
    /// nil: a plain STOMP queue, or one that no known plugin handles (now).
    var handler: SiteDirectory.Handler?
    var sources: [NameID: Source] = [:]
    /// Sites whose source isn't dry, all of them.
    var turns = Rotation<NameID>()
    /// Items that may have killed a worker: each runs alone, in a worker that has nothing else in flight.
    var suspects = Deque<ActiveItem>()
    var hasSuspects: Bool { !suspects.isEmpty }
    /// Suspects that are claimed.
    var hunted = 0
    /// A queue with one worker per site has its suspects tried by that worker, the others' are for hunters.
    var huntsInPlace: Bool { handler?.descriptor.isSingleton == true }
    /// A hunter has, or will have, something to do here.
    var needsHunter: Bool {
        !huntsInPlace && !isPlain && (hunted > 0 || suspects.contains { !$0.source.isPaused })
    }
    var consumers: [any Consumer] = []
    var nextConsumer = 0
    var isDirty = false

    init(queue: NameID, name: String) {
        self.queue = queue
        self.name = name
    }

    var isOrdered: Bool { handler?.descriptor.isOrdered == true }
    /// A whole destination, not a queue's name.
    var isPlain: Bool { name.hasPrefix("/") }
}

/// Who takes items: a worker, a STOMP subscription, the notice distributor.
///
/// Confined to the broker's loop.
protocol Consumer: AnyObject {
    /// How many more items of this queue it takes now.
    func room(in line: QueueLine) -> Int
    /// Of this site, and this queue.
    func takes(_ source: Source) -> Bool
    /// Nothing of any queue is in flight there.
    var isIdle: Bool { get }
    func take(_ item: ActiveItem)
    /// The turn of the loop ends: send what was taken.
    func flush()
    /// Made for suspects: it gets nothing else.
    var isHunter: Bool { get }
    /// Takes suspects alone, and nothing else until that is over, though it was made for all items.
    var isHunting: Bool { get set }
    /// Wants those that it has in flight to end soon, where it can.
    func cancel(where isMeant: (ActiveItem) -> Bool)
}

extension Consumer {
    func cancel(where isMeant: (ActiveItem) -> Bool) {}
}
