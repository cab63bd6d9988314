// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import struct HostConfig.HostPort
import Logging
import NIOCore
import PluginHost
import QueueCore
import WorkerLink

/// One plugin of a worker: its instance, its sites, its link to the broker, its journal.
///
/// A worker has one; with `workers.isolate: group` one for each plugin of the group, on the same loop. Confined to it.
final class WorkerMember: ClaimReceiver {
    let plugin: PluginName
    let instance: PluginInstance
    let port: any BrokerPort
    let sites: SiteKeeper
    private let journal: InFlightJournal
    private let openingNote: OpeningNote
    private let handlers: [HandlerDescriptor]
    private var credits: [QueueCredit]
    private(set) var wasConnected = false
    /// The first time.
    var onConnected: () -> Void = {}

    /// Loads and starts the plugin and opens its sites; nothing is claimed before `begin`.
    init(
        _ configuration: WorkerConfiguration,
        _ surroundings: Worker.Surroundings,
        loop: any EventLoop,
        logger: Logger
    ) throws {
        let before = ProcessState()
        let plugin = try LoadedPlugin(path: configuration.pluginPath, expectedID: configuration.descriptor.id)
        // Served or not: a changed breakout gives it others without a new start. But of singletons only its own: where one
        // is named, the plugin connects.
        handlers = plugin.descriptor.handlers.filter { !$0.isSingleton || configuration.queues[$0.queue] != nil }
        journal = try Self.makeJournal(configuration, inFlight: handlers.reduce(0) { $0 + $1.maxInFlight })
        credits = Self.credits(configuration, handlers)
        let hello = LinkHello(
            plugin: configuration.plugin,
            pluginVersion: plugin.descriptor.version,
            generation: UInt32(clamping: configuration.generation),
            pid: getpid(),
            journalPath: journal.path,
            isHunter: configuration.isHunter,
            queues: credits
        )
        self.plugin = configuration.plugin
        port = surroundings.port(configuration, hello)
        instance = PluginInstance(
            plugin: plugin,
            settings: PluginSettings(configuration, queues: handlers.map(\.queue)),
            loop: loop,
            sink: port,
            journal: journal,
            logger: logger
        )
        openingNote = OpeningNote(path: configuration.openingNotePath(pid: getpid()))
        sites = SiteKeeper(instance, port, openingNote, logger) { surroundings.send(.siteState($0, error: $1)) }
        // From the first call on: init may not return.
        instance.startWatchdog(surroundings.abort)
        do {
            try instance.start()
        } catch {
            journal.remove()
            openingNote.remove()
            throw error
        }
        Self.tellRestored(before.restore(), logger)
        sites.apply(configuration.sites.map(SiteSettings.init), shut: configuration.shutSites)
    }

    func begin() { port.start(self) }

    /// nil: no site wants the plugin any more.
    func apply(_ configuration: WorkerConfiguration?) {
        if let configuration { instance.configure(http: HTTPSettings(configuration)) }
        // What it gains is open before it is claimed; of what it loses nothing is left inside.
        sites.apply((configuration?.sites ?? []).map(SiteSettings.init), shut: configuration?.shutSites ?? [])
        let next = configuration.map { Self.credits($0, handlers) } ?? []
        guard next != credits else { return }
        credits = next
        port.serve(next)
    }

    /// All other sites stay as they are.
    func change(_ change: SitesChange<WorkerSite>) {
        sites.change(change.changed.map(SiteSettings.init), removed: change.removed)
    }

    /// The last call; runs `done` when all that was settled is on its way, and the plugin, where it gets to, has shut down.
    func end(shuttingDown: Bool, _ done: @escaping () -> Void) {
        port.stop { [self] in
            if shuttingDown { instance.shutDown() }
            journal.remove()
            openingNote.remove()
            done()
        }
    }

    // MARK: - ClaimReceiver

    func connected() {
        guard !wasConnected else { return }
        wasConnected = true
        journal.lock()
        onConnected()
    }

    func deliver(_ batch: DeliveredBatch) { instance.deliver(batch) }
    func cancel(_ deliveries: [UInt64]) { instance.cancel(deliveries: deliveries) }
    func interrupted() -> Set<UInt64> { instance.dropWaiting() }

    // MARK: - Parts of the start

    private static func credits(_ configuration: WorkerConfiguration, _ handlers: [HandlerDescriptor]) -> [QueueCredit]
    {
        handlers.compactMap { handler in
            configuration.queues[handler.queue].map {
                QueueCredit(queue: handler.queue, credit: UInt32(clamping: handler.maxInFlight), sites: $0)
            }
        }
    }

    private static func makeJournal(_ configuration: WorkerConfiguration, inFlight: Int) throws -> InFlightJournal {
        let path = configuration.journalPath(pid: getpid())
        let folder = path.prefix(upTo: path.lastIndex(of: "/") ?? path.startIndex)
        mkdir(String(folder), 0o700)
        // Twice: after a lost link the old deliveries are still there.
        return try InFlightJournal(path: path, slots: max(64, inFlight * 2))
    }

    private static func tellRestored(_ changed: [String], _ logger: Logger) {
        guard !changed.isEmpty else { return }
        logger.warning(
            "the plugin changed what belongs to the host; it was put back",
            metadata: ["changed": "\(changed.joined(separator: ", "))"]
        )
    }
}

extension SiteSettings {
    init(_ site: WorkerSite) {
        self.init(nickname: site.nickname, server: site.server, name: site.name, root: site.root, values: site.values)
    }
}

extension PluginSettings {
    init(_ configuration: WorkerConfiguration, queues: [QueueName]) {
        self.init(
            plugin: configuration.plugin,
            hostVersion: "hostd \(configuration.version)",
            queues: queues,
            recipientsPath: configuration.recipientsPath,
            keyValuePath: configuration.keyValuePath
        )
        handlerTimeoutMs = configuration.handlerTimeoutMs
        startTimeoutMs = configuration.startTimeoutMs
        http = HTTPSettings(configuration)
        cacheServers = configuration.cacheServers.compactMap { HostPort($0) }.map {
            CacheServer(host: $0.host, port: $0.port)
        }
    }
}

extension HTTPSettings {
    init(_ configuration: WorkerConfiguration) {
        self.init()
        timeoutMs = configuration.httpTimeoutMs
        connectionsPerHost = configuration.connectionsPerHost
        allowPrivate = configuration.allowPrivate
        userAgent = "hostd/\(configuration.version)"
    }
}
