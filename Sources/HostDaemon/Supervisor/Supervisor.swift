// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import HostConfig
import Logging
import NIOCore
import NIOPosix
import PluginFiles
import QueueCore
import Telemetry

/// Starts and watches broker, workers and console; never loads a plugin, never touches an item.
///
/// All that happens comes through `inbox` and is handled by `run`, one event after the other; nothing else suspends
/// between reading and changing state. The decisions are values (SlotStateMachine, StopSequence, RolloutStateMachine,
/// SpawnPlan); the files Supervisor+X.swift perform them.
actor Supervisor {
    let options: SupervisorOptions
    let state: StateDirectory
    let inbox: SupervisorInbox
    let loop: any EventLoop
    let notify = SystemdNotify()
    let logger: Logger
    private let startInstant: ContinuousClock.Instant

    var deployment: Deployment
    var catalog = PluginCatalog()
    var memory: DescriptorMemory
    /// The code of each enabled plugin that works now.
    var running: [PluginName: SpawnPlan.RunningPlugin] = [:]
    var generations: GenerationMemory
    var rollouts: [PluginName: Rollout] = [:]
    /// Enabled, but can't be run: their sites' items wait.
    var missingPlugins: Set<PluginName> = []
    /// Breakout entries without effect.
    var idleBreakouts: Set<String> = []
    /// Why a plugin's file isn't what runs: its roll-out was undone, or it doesn't go with the configuration.
    var rolloutFailures: [PluginName: String] = [:]
    /// Of places whose worker was, or is being, replaced for its memory.
    var renewals: [SlotID: Renewals] = [:]
    /// Workers that were too large to begin.
    var barred: [SlotID: Barred] = [:]
    var growth = GrowthLog()
    var hunts = Hunts()
    var troubles = SiteTroubles()
    /// Code whose roll-out was undone: not tried again before the file changes, or somebody asks for a restart.
    var rejected: [PluginName: LoadablePlugin] = [:]
    var watch: PluginWatch?

    var slots: [SlotID: Slot] = [:]
    var slotOfProcess: [ProcessSerial: SlotID] = [:]
    /// What the last plan asked for, where it wasn't being drained: one of them that is drained for an earlier plan is
    /// filled again when it has gone.
    var planned: Set<SlotID> = []
    /// Workers that nobody wants any more once others, of the same code beside more or fewer plugins, are ready.
    var lingering: [SlotID: WorkerConfiguration] = [:]
    var lastSerial = 0
    /// Unplanned ends of workers, by plugin and cause.
    var deaths: [DeathKey: Int] = [:]
    var ledger = MetricLedger()

    var change: ChangeRequest?
    var waitingChanges: [ChangeRequest] = []
    /// The restart whose roll-outs are under way: its callers wait for their end, other changes don't.
    var restarting: ChangeRequest?
    var isBeginningChange = false
    var siteFiles = SiteFiles()
    /// What is wrong with files of sites_dir as they were last read, by file; empty where nothing is.
    var configErrors: [String: [String]] = [:]
    /// Keys of hostd.yaml that were changed and wait for a new start.
    var waitingKeys: [String] = []

    /// The broker's sockets, open from its first start on.
    var doors: BrokerDoors?
    /// `queue.listen` that they were opened for; nil = no TCP.
    var doorsAddress: String?
    /// Open while a console is wanted.
    var consoleDoor: ConsoleDoor?
    var control: ControlServer?
    /// Requests that the broker has not answered yet.
    var forwarded = 0

    /// Nothing is started or answered: another image goes on (Supervisor+Handover).
    var isHandingOver = false
    var postponed: [SupervisorEvent] = []
    /// The restart at work is the rest of an earlier image's (Supervisor+Takeover).
    var isTakeover = false
    var restartsToJoin = 0
    var linkChanged = false
    var hasBegunRollouts = false
    var takeover: TakeoverSequence?
    var renewing: SlotID?
    var renewalFailures: [String] = []

    var stop: StopSequence?
    /// Slots that haven't shown yet whether they start; the daemon is ready once there is none.
    var unsettled: Set<SlotID> = []
    var isAnnounced = false
    /// Set once nothing is left to do.
    var exitStatus: Int32?
    var exitStatusAfterStop: Int32 = 0

    struct DeathKey: Codable, Hashable, Sendable {
        /// Several with commas between them, where they share a process.
        var plugins: String
        var cause: String
    }

    init(
        options: SupervisorOptions,
        deployment: Deployment,
        state: StateDirectory,
        inbox: SupervisorInbox,
        loop: any EventLoop,
        startedAt: ContinuousClock.Instant
    ) {
        self.options = options
        logger = options.logger
        self.deployment = deployment
        self.state = state
        self.inbox = inbox
        self.loop = loop
        startInstant = startedAt
        memory = DescriptorMemory(stateDirectory: state.path)
        generations = GenerationMemory(stateDirectory: state.path)
    }

    /// Since the start of this process.
    var now: Duration { ContinuousClock.now - startInstant }

    /// From nothing, or from what an earlier image left, to the exit status.
    func run(after handover: Handover? = nil) async -> Int32 {
        if let handover {
            adopt(handover)
        } else {
            // The broker's process starts while the plugins are probed; it touches nothing before it is configured.
            addSlot(.broker)
            perform(.spawn(after: .zero), on: .broker)
            if let exitStatus { return exitStatus }
        }
        for key in deployment.config.keysWithoutEffect {
            logger.warning("a key that changes nothing in this version is set", metadata: ["key": "\(key)"])
        }
        // Before the first look: what changes after it isn't missed.
        watchPlugins()
        takeIn(await options.scan(deployment.config.pluginsDir, state.path))
        let errors = deployment.pluginErrors(knownDescriptors)
        guard errors.isEmpty || isTakeover else {
            errors.forEach { Self.complain("\($0)") }
            return abandon()
        }
        do {
            control = try await ControlServer.start(
                path: state.path + "/control.sock",
                handed: handover?.control,
                on: loop
            ) { [inbox] request in await inbox.answer(request) }
        } catch {
            Self.complain("\(error)")
            return abandon()
        }
        if isTakeover {
            takeOver()
        } else {
            adoptPlugins()
            reconcile()
            unsettled = Set(slots.keys)
        }
        startClocks()
        for await event in inbox.events {
            handle(event)
            if exitStatus != nil { inbox.close() }
        }
        watch = nil
        await control?.stop()
        return exitStatus ?? 0
    }

    private func handle(_ event: SupervisorEvent) {
        guard exitStatus == nil else {
            event.reply?.fail("hostd has stopped")
            return
        }
        // The next image is asked again.
        if isHandingOver, case .request = event { return postponed.append(event) }
        switch event {
        case .signal(let number): handle(signal: number)
        case .beat: beat()
        case .memoryDue: lookAtMemory()
        case .watchdogDue: notify.watchdog()
        case .linked(let serial, let link): linked(serial, link)
        case .heard(let serial, let message): heard(serial, message)
        case .hungUp(let serial): hungUp(serial)
        case .endedLongAgo(let serial): hungUp(serial)
        case .overdue(let serial, let input, let why): overdue(serial, input, why: why)
        case .spawnDue(let id, let turn): spawnDue(id, turn: turn)
        case .huntsDue: huntsDue()
        case .siteTrialsDue: beginTrials()
        case .scanned(let catalog): scanned(catalog)
        case .pluginsChanged: ask(.files)
        case .pluginsUnfinished(let files):
            let names = files.joined(separator: " ")
            logger.warning(
                "plugin files are open for writing; not read before they are closed",
                metadata: ["files": "\(names)"]
            )
        case .canaryBeat(let plugin, let generation): canaryBeat(plugin, generation)
        case .canaryOver(let plugin, let generation, let watch): canaryOver(plugin, generation, watch: watch)
        case .updateHeard: finishUpdate()
        case .announce(let port): announce(stompPort: port)
        case .measured(let parts, let reply): measured(parts, reply)
        case .request(let request, let reply): answer(request, reply)
        case .forwardedAnswer: forwarded -= 1
        case .tried(let identity, let verdict): tried(identity, verdict)
        case .handOverDue(let look): handOverWhenQuiet(look: look)
        case .frozen(let remainders, let handed): frozen(remainders, handed)
        case .handOverNow(let remainders, let handed): handOverNow(remainders, handed)
        }
    }

    private func handle(signal number: Int32) {
        switch number {
        case SIGCHLD: reap()
        case SIGHUP: ask(.update(site: nil))
        case SIGUSR2: ask(.restart)
        default: beginStop(why: number == SIGINT ? "SIGINT" : "SIGTERM")
        }
    }

    func after(_ delay: Duration, _ event: SupervisorEvent) {
        loop.scheduleTask(in: TimeAmount(delay)) { [inbox] in inbox.put(event) }
    }

    private func startClocks() {
        let interval = TimeAmount(Heartbeat.interval)
        loop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { [inbox] _ in inbox.put(.beat) }
        let look = TimeAmount(Self.memoryInterval)
        loop.scheduleRepeatedTask(initialDelay: look, delay: look) { [inbox] _ in inbox.put(.memoryDue) }
        if let watchdog = notify.watchdogInterval.map({ TimeAmount($0) }) {
            loop.scheduleRepeatedTask(initialDelay: .zero, delay: watchdog) { [inbox] _ in inbox.put(.watchdogDue) }
        }
    }

    /// A start that comes to nothing: the broker has done nothing yet and is not waited for.
    ///
    /// What an earlier image left drains by itself.
    private func abandon() -> Int32 {
        guard !isTakeover else { return ExitStatus.configurationError }
        for slot in slots.values { slot.process?.child.kill() }
        return ExitStatus.configurationError
    }

    /// To whoever started hostd, before there is a log to look into.
    static func complain(_ line: String) {
        let text = line + "\n"
        _ = write(STDERR_FILENO, text, text.utf8.count)
    }
}
