// SPDX-License-Identifier: Apache-2.0
import Control
import Logging
import NIOCore
import QueueCore
import QueueStore

/// What the sessions of the broker share: the configuration, the store, the dispatcher.
///
/// Confined to the broker's loop.
final class BrokerCore {
    let loop: any EventLoop
    let store: QueueStore
    let clock: any BrokerClock
    let log: Logger
    let dispatcher: Dispatcher
    let topics = Topics()
    private(set) var configuration: BrokerConfiguration
    private(set) var directory: SiteDirectory
    private(set) var destinations: Destinations
    /// To the supervisor: `stop`, `restart`, `update` that came in on a control topic.
    var sendCommand: (String, [String: JSONValue]) -> Void = { _, _ in }
    /// Octets of items that were taken in and aren't on disk yet, over all producers.
    private(set) var unstoredBytes = 0
    /// Producers that wait for it to go down.
    private var throttled: [() -> Void] = []
    private var distributor: NoticeDistributor?
    /// Since the start.
    private(set) var resumption: Resumption?
    private(set) lazy var upkeep = StoreUpkeep(self)
    private(set) lazy var deadFiles = DeadLetterFiles(loop: loop, store: store, clock: clock, log: log)
    var lastTopicID = 0

    /// Past this, producers are slowed by TCP; below half of it they go on.
    static let highWater = 32 << 20

    init(
        configuration: BrokerConfiguration,
        loop: any EventLoop,
        store: QueueStore,
        clock: any BrokerClock,
        log: Logger
    ) {
        self.loop = loop
        self.store = store
        self.clock = clock
        self.log = log
        self.configuration = configuration
        directory = SiteDirectory(configuration)
        destinations = Self.destinations(configuration, directory)
        dispatcher = Dispatcher(
            loop: loop,
            store: store,
            clock: clock,
            log: log,
            settings: Self.settings(configuration),
            directory: directory
        )
    }

    private static func settings(_ configuration: BrokerConfiguration) -> DispatchSettings {
        DispatchSettings(
            maxRetries: Int64(configuration.maxRetries),
            targetConcurrency: configuration.targetConcurrency
        )
    }

    private static func destinations(_ configuration: BrokerConfiguration, _ directory: SiteDirectory) -> Destinations {
        Destinations(
            basename: configuration.basename,
            groups: directory.groups,
            breakouts: configuration.breakout.compactMap(Breakout.init)
        )
    }

    func start(completion: @escaping @Sendable (QueueStoreError?) -> Void) {
        resumption = Resumption(self)
        let me = NIOLoopBound(self, eventLoop: loop)
        dispatcher.loadSources { error in
            if let error {
                completion(error)
                return
            }
            let core = me.value
            core.store.write { (transaction) throws(QueueStoreError) in
                try transaction.nameID(QueueName.notice.rawValue)
            } completion: { result in
                guard case .success(let id) = result else {
                    completion(.closed)
                    return
                }
                let core = me.value
                let line = core.dispatcher.line(id, name: QueueName.notice.rawValue)
                let distributor = NoticeDistributor(core, line)
                core.distributor = distributor
                core.dispatcher.add(distributor, to: line)
                core.upkeep.start()
                core.deadFiles.use(core.configuration.deadLetterDirectory)
                completion(nil)
            }
        }
    }

    func configure(_ configuration: BrokerConfiguration) {
        self.configuration = configuration
        directory = SiteDirectory(configuration)
        destinations = Self.destinations(configuration, directory)
        dispatcher.configure(Self.settings(configuration), directory: directory)
        upkeep.measured()
        deadFiles.use(configuration.deadLetterDirectory)
    }

    func change(_ sites: SitesChange<SiteEntry>) {
        var next = configuration
        next.sites = sites.applied(to: next.sites)
        configure(next)
    }

    // MARK: Enqueue

    /// Stores items, all or none, and dispatches them; `completion` comes when they are on disk.
    func enqueue(
        _ items: [Incoming],
        removing: [Int64] = [],
        completion: @escaping @Sendable (QueueStoreError?) -> Void
    ) {
        let bytes = items.reduce(0) { $0 + $1.payload.count + $1.shared.count + 256 }
        unstoredBytes += bytes
        let now = clock.steadyMs
        let since = clock.wallMs - configuration.dedupeWindowMs
        let takesNotices = self.takesNotices
        let distributions = items.map { distributor?.distribution(of: $0) }
        let queueing = zip(items, distributions).count { $0.queue == QueueName.notice.rawValue && $1 == nil }
        distributor?.queueing(queueing)
        let me = NIOLoopBound(self, eventLoop: loop)
        store.write(as: items.isEmpty ? .upkeep : .intake) { (transaction) throws(QueueStoreError) in
            var stored = StoredItems()
            for (var item, distribution) in zip(items, distributions) {
                if let distribution {
                    try stored.distribute(item, distribution, transaction, nowMs: now, dedupeSince: since)
                    continue
                }
                // A notice that waits to be distributed, or was put on a stage-1 queue directly, is found by its number
                // and its delete frame too.
                if item.notice == nil, item.dead == nil, takesNotices.contains(item.queue),
                    let identity = NoticeIdentity(item.payload)
                {
                    item.notice = try transaction.notice(
                        site: item.site,
                        number: identity.number,
                        uri: identity.uri,
                        nowMs: item.enqueuedMs
                    )
                }
                try stored.add(item, transaction, nowMs: now, dedupeSince: since)
            }
            for id in removing { try transaction.remove(id) }
            return stored
        } completion: { result in
            let core = me.value
            core.stored(bytes)
            core.distributor?.queueing(-queueing)
            switch result {
            case .success(let stored):
                core.arrived(stored)
                completion(nil)
            case .failure(let error): completion(error)
            }
        }
    }

    private var takesNotices: Set<String> {
        Set((directory.noticeQueues + [.notice]).map(\.rawValue))
    }

    func arrived(_ stored: StoredItems) {
        dispatcher.arrived(stored.items) { stored.names[$0] ?? dispatcher.names[$0] ?? "" }
        dispatcher.skip(stored.dropped)
        for item in stored.items { countEnqueued(item, stored) }
        for (row, isBad) in stored.distributed { countDistributed(row, stored, isBad: isBad) }
    }

    private func countEnqueued(_ item: StoredItem, _ stored: StoredItems) {
        let (queue, site) = (stored.names[item.queue] ?? "", stored.names[item.site] ?? "")
        guard item.state == .dead else {
            dispatcher.outcomes.addEnqueued(item.queue, item.site, queue: queue, site: site)
            return
        }
        // What somebody made up must not become a series each.
        let isQueue = queue == QueueName.notice.rawValue || QueueName(queue).flatMap(directory.handler(of:)) != nil
        let isSite = directory.site(site) != nil
        dispatcher.outcomes.addEnqueued(
            isQueue ? item.queue : 0,
            isSite ? item.site : 0,
            queue: isQueue ? queue : "",
            site: isSite ? site : ""
        )
    }

    /// As what came into its queue and went out of it, though it may never have waited there.
    private func countDistributed(_ row: StoredItem, _ stored: StoredItems, isBad: Bool) {
        let line = dispatcher.line(row.queue, name: QueueName.notice.rawValue)
        if let site = stored.names[row.site] {
            // Distributed by the transaction that stored it.
            dispatcher.learn(row.site, site)
            let source = dispatcher.source(line, row.site)
            source.rateIn.add(1, nowMs: clock.steadyMs)
            source.rateOut.add(1, nowMs: clock.steadyMs)
            countEnqueued(row, stored)
        }
        dispatcher.outcomes.add(line, row.site, isBad ? "dead" : "done") { dispatcher.names[$0] }
    }

    // MARK: Back-pressure

    var isFull: Bool { unstoredBytes > Self.highWater }

    /// Runs `work` when producers may go on.
    func whenRoom(_ work: @escaping () -> Void) { throttled.append(work) }

    private func stored(_ bytes: Int) {
        unstoredBytes -= bytes
        upkeep.measured()
        letProducersGoOn()
    }

    func letProducersGoOn() {
        guard unstoredBytes < Self.highWater / 2, !throttled.isEmpty else { return }
        let waiting = throttled
        throttled = []
        for work in waiting { work() }
    }
}
