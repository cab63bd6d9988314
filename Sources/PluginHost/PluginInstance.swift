// SPDX-License-Identifier: Apache-2.0
package import Logging
package import NIOCore
import NIOPosix
import PluginABI
package import QueueCore
package import WorkerLink

/// What an instance must know besides its plugin.
package struct PluginSettings: Sendable {
    package var plugin: PluginName
    /// "hostd 1.4.2".
    package var hostVersion: String
    /// Of the plugin's handlers, those that this worker serves.
    package var queues: [QueueName]
    /// Milliseconds per delivery where the plugin names none.
    package var handlerTimeoutMs = 60_000
    /// Milliseconds that init, and the opening of a site, may take.
    package var startTimeoutMs = 60_000
    package var http = HTTPSettings()
    package var recipientsPath: String
    package var keyValuePath: String
    /// memcached, `HOST:PORT` each; none = the cache is in the worker's memory.
    package var cacheServers: [CacheServer] = []
    /// How SRV records are found: by DNS.
    package var lookUpService: @Sendable (String) -> [ServiceRecord] = { ServiceRecords.lookUp($0) }

    package init(
        plugin: PluginName,
        hostVersion: String,
        queues: [QueueName],
        recipientsPath: String,
        keyValuePath: String
    ) {
        self.plugin = plugin
        self.hostVersion = hostVersion
        self.queues = queues
        self.recipientsPath = recipientsPath
        self.keyValuePath = keyValuePath
    }
}

/// One loaded plugin at work: its sites, its deliveries, its operations, and the host table that it sees.
///
/// Confined to one event loop, which is the plugin's serial executor, the worker link's and the HTTP client's loop, so that
/// a delivery costs no thread hop. Made once per process and never freed, as the plugin may hold the host table for ever.
///
/// `@unchecked Sendable`: plugin threads reach it through the [any] calls, which touch nothing but what has its own lock
/// (`deliveries`, `siteTable`, `log`, `metrics`) or hop to the loop.
package final class PluginInstance: @unchecked Sendable {
    package let settings: PluginSettings
    package let descriptor: PluginDescriptor
    package let loop: any EventLoop
    let table: UnsafePointer<hostd_plugin>
    let sink: any ItemSink
    let journal: InFlightJournal?
    let log: PluginLog
    let deliveries: DeliveryTable
    let siteTable = SiteTable()
    let queues: [QueueName: ServedQueue]
    /// The queues that items may be added to, as C text.
    let knownQueues: [(text: hostd_str, name: QueueName)]
    let watch = EntryWatch()
    let http: HTTPService
    let recipients: RecipientService
    let keyValues: KeyValueService
    let streams: StreamService
    let cache: any CacheStore
    package let metrics: MetricsService
    let descriptors: DescriptorWatcher
    /// Blocking handlers run here (HOSTD_PF_PARALLEL); nil for serial plugins.
    let pool: NIOThreadPool?

    // On the loop:
    var operations = OperationTable()
    private(set) var pluginState: UnsafeMutableRawPointer?
    var sites: [SiteName: OpenSite] = [:]
    var phase = Phase.loaded
    var sweepAtNs = Int64.max
    var sweepTask: Scheduled<Void>?
    private var watchdog: Watchdog?
    private var logFlush: RepeatedTask?
    /// How deliveries ended, by queue.
    package internal(set) var tallies: [QueueName: OutcomeTally] = [:]
    /// Memory of deliveries that were given up: the plugin may still use it, for the rest of the process's life.
    var abandoned: [BatchArena] = []
    /// Called once on the loop when a delivery missed its deadline: its plugin can't be trusted any more, the worker ends.
    package var onOverdue: (() -> Void)?

    enum Phase { case loaded, initializing, working, ended }

    package init(
        plugin: LoadedPlugin,
        settings: PluginSettings,
        loop: any EventLoop,
        sink: any ItemSink,
        journal: InFlightJournal?,
        logger: Logger
    ) {
        self.settings = settings
        self.loop = loop
        self.sink = sink
        self.journal = journal
        descriptor = plugin.descriptor
        table = plugin.table
        log = PluginLog(logger, plugin: settings.plugin)
        var queues: [QueueName: ServedQueue] = [:]
        var inFlight = 0
        for (index, handler) in plugin.descriptor.handlers.enumerated() where settings.queues.contains(handler.queue) {
            guard let pointer = plugin.table.pointee.handlers?[index] else { continue }
            queues[handler.queue] = ServedQueue(
                descriptor: handler,
                handler: pointer,
                defaultTimeoutMs: settings.handlerTimeoutMs
            )
            inFlight += handler.maxInFlight
        }
        self.queues = queues
        knownQueues = (plugin.descriptor.handlers.map(\.queue) + plugin.descriptor.outputs).map {
            (.immortal($0.rawValue), $0)
        }
        // Twice what the broker may send: after a lost link the old deliveries are still here.
        deliveries = DeliveryTable(capacity: max(64, inFlight * 2))
        http = HTTPService(settings.http, loop: loop)
        recipients = RecipientService(path: settings.recipientsPath, plugin: settings.plugin, loop: loop)
        keyValues = KeyValueService(path: settings.keyValuePath, plugin: settings.plugin, loop: loop)
        streams = StreamService(loop: loop, lookUp: settings.lookUpService)
        cache =
            settings.cacheServers.isEmpty
            ? MemoryCache(loop: loop) : MemcachedCache(settings.cacheServers, loop: loop)
        metrics = MetricsService(plugin: settings.plugin)
        descriptors = DescriptorWatcher()
        let isParallel = plugin.table.pointee.flags & HOSTD_PF_PARALLEL != 0
        pool = isParallel ? NIOThreadPool(numberOfThreads: min(max(inFlight, 1), 64)) : nil
    }

    /// Deliveries inside the plugin.
    ///
    /// Any thread.
    package var inFlight: Int { deliveries.count }
    /// Batches whose handlers wait for their turn of the loop.
    var waiting: CircularBuffer<WaitingBatch> = []
    var isStarting = false

    /// Hands the plugin its host table.
    ///
    /// On the loop, once.
    package func start() throws(PluginHostError) {
        loop.preconditionInEventLoop()
        precondition(phase == .loaded, "a plugin is started once")
        phase = .initializing
        pool?.start()
        let host = HostTable.make(for: self)
        var state: UnsafeMutableRawPointer?
        let (status, message) = enter(.initialize) {
            Self.withError { error, capacity in
                table.pointee.`init`?(host, &state, error, capacity) ?? HOSTD_E_UNSUPPORTED
            }
        }
        guard status >= 0 else {
            phase = .ended
            throw .initFailed(plugin: settings.plugin, status: status, message: message)
        }
        pluginState = state
        phase = .working
        let log = log
        logFlush = loop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in log.flush() }
    }

    /// From now on `end` runs, on a thread of its own, when plugin code has kept the loop past a deadline.
    ///
    /// It gets a line that names place, site, queue and item, and should end the process.
    package func startWatchdog(_ end: @escaping @Sendable (String) -> Void) {
        let watchdog = Watchdog { [unowned self] in
            let now = HostClock.monotonicNs()
            // With nothing in flight (a timer, shutdown) the default deadline of a delivery is the measure.
            let patience = Int64(watch.isStarting ? settings.startTimeoutMs : settings.handlerTimeoutMs) * 1_000_000
            guard let seen = watch.stuck(nowNs: now, patienceNs: patience),
                now - seen.enteredNs > patience || deliveries.all.contains(where: { $0.deadlineNs < now })
            else { return }
            end(describe(seen, nowNs: now))
        }
        watchdog.start()
        self.watchdog = watchdog
    }

    private func describe(_ seen: EntryWatch.Sighting, nowNs: Int64) -> String {
        var line =
            "plugin \(settings.plugin): \(seen.place.word) has not returned for "
            + "\((nowNs - seen.enteredNs) / 1_000_000) ms and blocks the worker past a deadline"
        if let call = deliveries[seen.token] {
            line += " site=\(call.site.nickname) queue=\(call.queue.descriptor.queue) item=\(call.item)"
        }
        return line
    }

    /// The last call into the plugin; all sites must be closed.
    ///
    /// On the loop.
    package func shutDown() {
        loop.preconditionInEventLoop()
        guard phase == .working else { return }
        for operation in operations.takeAll(of: nil) { operation.abandon() }
        log.close()
        enter(.shutdown) { table.pointee.shutdown?(pluginState) }
        phase = .ended
        watchdog?.stop()
        logFlush?.cancel()
        log.flush()
        descriptors.stop()
        http.shutDown()
        cache.shutDown()
        sweepTask?.cancel()
        pool?.shutdownGracefully { _ in }
    }

    // MARK: - Going into the plugin

    /// All [serial] calls of the plugin go through here.
    ///
    /// On the loop.
    func enter<Result>(_ place: EntryWatch.Place, token: hostd_token = 0, _ body: () -> Result) -> Result {
        precondition(!watch.isInside, "the plugin is called from within its own call")
        watch.enter(place, token: token)
        let result = body()
        let elapsed = watch.leave()
        if elapsed > EntryWatch.politeNs {
            log.host(
                .warning,
                "a serial call of the plugin took too long and held up all others",
                ["call": "\(place.word)", "ms": "\(elapsed / 1_000_000)"]
            )
        }
        return result
    }

    /// Runs a callback of the plugin: now, or once it has returned if it is inside.
    ///
    /// On the loop.
    func callBack(_ body: @escaping () -> Void) {
        if watch.isInside {
            let bound = NIOLoopBound(body, eventLoop: loop)
            loop.execute { self.enter(.callback) { bound.value() } }
        } else {
            enter(.callback, body)
        }
    }

    /// Ends an operation whose answer the host knows at once: after what runs now, unless it is cancelled.
    ///
    /// On the loop.
    func answerLater(_ op: hostd_op, _ body: @escaping () -> Void) {
        let bound = NIOLoopBound(body, eventLoop: loop)
        loop.execute {
            guard self.operations.finish(op) else { return }
            self.enter(.callback) { bound.value() }
        }
    }

    /// Calls a function that fills an error text.
    static func withError(_ body: (UnsafeMutablePointer<CChar>, Int) -> Int32) -> (Int32, String) {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1024) { buffer in
            guard let base = buffer.baseAddress else { return (HOSTD_E_FAIL, "") }
            buffer.initialize(repeating: 0)
            let status = body(base, buffer.count)
            buffer[buffer.count - 1] = 0
            return (status, status < 0 ? String(cString: base) : "")
        }
    }
}
