// SPDX-License-Identifier: Apache-2.0
package import Control
import struct HostConfig.HostPort
package import Logging
package import NIOCore
import PluginHost
import QueueCore
import Telemetry
package import WorkerLink

#if canImport(Glibc)
import Glibc
#endif

/// A worker process's conductor: one plugin, its sites, its way to the broker and to the supervisor.
///
/// Made by `WorkerMain`, which gives it the supervisor's messages; confined to the worker's one loop, on which the plugin
/// works too. It ends by calling `exit` once.
package final class Worker: ClaimReceiver {
    /// What a worker says and needs besides its configuration; tests take its place.
    package struct Surroundings {
        /// Makes the way to the broker.
        package var port: (WorkerConfiguration, LinkHello) -> any BrokerPort
        package var send: (ChildMessage) -> Void
        /// Runs once, with the exit status, when the last message is on its way.
        package var exit: (Int32, ChildMessage?) -> Void
        /// The plugin blocks the loop: ends the process at once.
        ///
        /// On the watchdog's thread.
        package var abort: @Sendable (String) -> Void

        package init(
            port: @escaping (WorkerConfiguration, LinkHello) -> any BrokerPort,
            send: @escaping (ChildMessage) -> Void,
            exit: @escaping (Int32, ChildMessage?) -> Void,
            abort: @escaping @Sendable (String) -> Void
        ) {
            self.port = port
            self.send = send
            self.exit = exit
            self.abort = abort
        }
    }

    /// What is in flight may still end by itself when another delivery has condemned the worker.
    private static let condemnedMoment = TimeAmount.seconds(1)
    /// Of a drain's time, so much is the plugin's; the rest is for the last results.
    private static let pluginShare = 0.9
    /// Without a supervisor nobody says how long a drain may take.
    private static let orphanDrain = TimeAmount.seconds(30)

    private let loop: any EventLoop
    private let surroundings: Surroundings
    private let logger: Logger
    private var machine = WorkerStateMachine()
    private var instance: PluginInstance?
    private var port: (any BrokerPort)?
    private var sites: SiteKeeper?
    private var journal: InFlightJournal?
    private var wasReady = false

    package init(loop: any EventLoop, surroundings: Surroundings, logger: Logger) {
        self.loop = loop
        self.surroundings = surroundings
        self.logger = logger
    }

    // MARK: - The supervisor's words

    package func receive(_ message: SupervisorMessage) {
        switch message {
        case .configure(.worker(let configuration)):
            perform(machine.handle(.configured), configuration)
        case .configure:
            fail("the supervisor sent another role's configuration")
        case .drain(let timeoutMs):
            drain(within: .milliseconds(Int64(Double(timeoutMs) * Self.pluginShare)))
        case .ping(let number):
            surroundings.send(
                .pong(
                    number,
                    ChildVitals(residentBytes: ResidentMemory.bytes() ?? 0, inFlight: instance?.inFlight ?? 0)
                )
            )
        case .request(let request):
            surroundings.send(.reply(answer(request)))
        case .workerExited:
            break
        }
    }

    /// The supervisor is gone.
    package func supervisorLost() {
        logger.info("the supervisor is gone: the worker drains and ends")
        drain(within: Self.orphanDrain)
    }

    private func answer(_ request: ControlRequest) -> ControlReply {
        guard request.command == "metrics" else {
            return ControlReply(id: request.id, error: "a worker has no command \"\(request.command)\"")
        }
        do {
            return ControlReply(id: request.id, result: try JSONValue(encoding: instance?.metrics.samples ?? []))
        } catch {
            return ControlReply(id: request.id, error: "metrics can't be written: \(error)")
        }
    }

    private func perform(_ action: WorkerStateMachine.Action, _ configuration: WorkerConfiguration) {
        switch action {
        case .load: load(configuration)
        case .reconfigure: sites?.apply(configuration.sites.map(SiteSettings.init))
        default: break
        }
    }

    // MARK: - Start

    private func load(_ configuration: WorkerConfiguration) {
        do {
            try start(configuration)
        } catch {
            fail("\(error)")
        }
    }

    private func start(_ configuration: WorkerConfiguration) throws {
        let before = ProcessState()
        let plugin = try LoadedPlugin(path: configuration.pluginPath, expectedID: configuration.descriptor.id)
        // One worker per site and singleton queue: the first of its plugin.
        let handlers = plugin.descriptor.handlers.filter { !$0.isSingleton || configuration.index == 0 }
        let journal = try makeJournal(configuration, inFlight: handlers.reduce(0) { $0 + $1.maxInFlight })
        let hello = LinkHello(
            plugin: configuration.plugin,
            pluginVersion: plugin.descriptor.version,
            generation: UInt32(clamping: configuration.generation),
            pid: getpid(),
            journalPath: journal.path,
            queues: handlers.map { QueueCredit(queue: $0.queue, credit: UInt32(clamping: $0.maxInFlight)) }
        )
        let port = surroundings.port(configuration, hello)
        let instance = PluginInstance(
            plugin: plugin,
            settings: PluginSettings(configuration, queues: handlers.map(\.queue)),
            loop: loop,
            sink: port,
            journal: journal,
            logger: logger
        )
        try instance.start()
        tellRestored(before.restore())
        instance.startWatchdog(surroundings.abort)
        instance.onOverdue = { [unowned self] in condemn() }
        self.journal = journal
        self.port = port
        self.instance = instance
        let sites = SiteKeeper(instance, port, logger) { [unowned self] site, error in
            surroundings.send(.siteState(site, error: error))
        }
        self.sites = sites
        sites.apply(configuration.sites.map(SiteSettings.init))
        port.start(self)
    }

    private func makeJournal(_ configuration: WorkerConfiguration, inFlight: Int) throws -> InFlightJournal {
        let path = configuration.journalPath(pid: getpid())
        let folder = path.prefix(upTo: path.lastIndex(of: "/") ?? path.startIndex)
        mkdir(String(folder), 0o700)
        // Twice: after a lost link the old deliveries are still there.
        return try InFlightJournal(path: path, slots: max(64, inFlight * 2))
    }

    private func tellRestored(_ changed: [String]) {
        guard !changed.isEmpty else { return }
        logger.warning(
            "the plugin changed what belongs to the host; it was put back",
            metadata: ["changed": "\(changed.joined(separator: ", "))"]
        )
    }

    // MARK: - The broker's words

    package func connected() {
        if !wasReady { surroundings.send(.ready) }
        wasReady = true
    }

    package func deliver(_ batch: DeliveredBatch) { instance?.deliver(batch) }
    package func cancel(_ deliveries: [UInt64]) { instance?.cancel(deliveries: deliveries) }

    package func disconnected() { instance?.forgetDeliveries() }

    // MARK: - The end

    private func drain(within time: TimeAmount) {
        switch machine.handle(.drain) {
        case .drainSites:
            port?.refuse([])
            guard let sites else { return sitesClosed() }
            sites.drainAll(within: time) { [self] in sitesClosed() }
        case .end(let status):
            surroundings.exit(status.rawValue, .drained)
        default: break
        }
    }

    private func sitesClosed() {
        guard case .end(let status) = machine.handle(.sitesClosed) else { return }
        instance?.shutDown()
        end(status, .drained)
    }

    /// A delivery missed its deadline: it was reported as overdue.
    ///
    /// Its neighbours get a moment, then they are given back, so that none of them is a suspect.
    private func condemn() {
        guard machine.handle(.overdue) == .condemn else { return }
        port?.refuse([])
        loop.assumeIsolated().scheduleTask(in: Self.condemnedMoment) { [self] in
            guard case .end(let status) = machine.handle(.momentOver) else { return }
            instance?.giveBackAll("another delivery of this worker missed its deadline")
            end(status, nil)
        }
    }

    private func end(_ status: WorkerStateMachine.ExitStatus, _ last: ChildMessage?) {
        let exit = { [self] in
            journal?.remove()
            surroundings.exit(status.rawValue, last)
        }
        if let port { port.stop(exit) } else { exit() }
    }

    private func fail(_ text: String) {
        guard case .end(let status) = machine.handle(.failed) else { return }
        logger.error("\(text)")
        end(status, .failed(text))
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
        http.timeoutMs = configuration.httpTimeoutMs
        http.connectionsPerHost = configuration.connectionsPerHost
        http.allowPrivate = configuration.allowPrivate
        http.userAgent = "hostd/\(configuration.version)"
        cacheServers = configuration.cacheServers.compactMap { HostPort($0) }.map {
            CacheServer(host: $0.host, port: $0.port)
        }
    }
}
