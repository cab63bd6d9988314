// SPDX-License-Identifier: Apache-2.0
import DequeModule
import Logging
import NIOCore
import QueueCore
import QueueStore

/// Decides which item goes to whom, and when: sites take turns, ranks go in order, lanes hold back what they must, and
/// a budget bounds retries.
///
/// Only what is active is in memory.
///
/// Confined to the broker's loop. What it wants written gathers in `batch` and is written once a turn of the loop.
/// `+Arrivals` brings items in from the store, `+Choice` picks the next one, `+Lanes` and `+Suspects` hold some back,
/// `+Settle` ends deliveries, `+Blocks` stops some targets', `+Writes` tells the store; `+Adoption` takes over what workers
/// had of another broker.
final class Dispatcher {
    let loop: any EventLoop
    let store: QueueStore
    let clock: any BrokerClock
    let log: Logger
    var settings: DispatchSettings
    var directory: SiteDirectory
    private(set) var names: [NameID: String] = [:]
    private(set) var ids: [String: NameID] = [:]
    private(set) var lines: [NameID: QueueLine] = [:]
    private(set) var linesByName: [String: QueueLine] = [:]
    private var sourceCount = 0
    private(set) var pauses: [Pause: Bool] = [:]
    /// What an operator blocked; `+Blocks` keeps lanes to it.
    var blocks: [TargetBlock] = []
    var blockedTargets = TargetBlocks()
    /// Dead letters made in the last hour, in spans of six minutes.
    var deaths = CountRing(spanMs: 360_000)
    /// Lanes with something in memory, or that taught something.
    var lanes: [LaneHash: Lane] = [:]
    /// Lanes of which only the store knows until their time comes, each with the item that was probed last.
    ///
    /// What comes for them is parked. None is among `lanes`.
    var shutLanes: [LaneHash: Int64] = [:]
    var batch = WriteBatch()
    /// What could not be written, in order.
    var failedBatch = WriteBatch()
    /// The disk is full: nothing more is handed out, since its end could not be written.
    var isHoldingWrites = false
    /// Buried while in memory or claimed: copies older than this place in the order are skipped when their turn comes.
    var buried: [Int64: Int64] = [:]
    var haveSuspectsChanged = false
    /// Plugins that need a hunter, as the supervisor was told.
    var hunted: Set<PluginName> = []
    var sendHunted: ([PluginName]) -> Void = { _ in }
    var budget: RetryBudget
    var random = SystemRandomNumberGenerator()
    let backoff = Backoff()
    var outcomes = OutcomeCounters()
    private var dirty: [QueueLine] = []
    private var isTurnScheduled = false
    private var wakeMs: Int64 = .max
    private var wake: Scheduled<Void>?
    var due = DueTimer()
    var isStopping = false
    /// Nothing is handed out yet: workers that outlived another broker say what they still have.
    var isResuming = false
    /// Taken over from another broker, with the place of that copy: it may come out of the store once more.
    var adopted: [Int64: Int64] = [:]
    /// Those that are claimed, and parked in the store as long.
    var adoptedFromLanes: Set<Int64> = []
    /// To be run once what was decided so far is on disk; where the disk is full, that takes until there is room.
    var whenFlushed: [() -> Void] = []

    init(
        loop: any EventLoop,
        store: QueueStore,
        clock: any BrokerClock,
        log: Logger,
        settings: DispatchSettings,
        directory: SiteDirectory
    ) {
        self.loop = loop
        self.store = store
        self.clock = clock
        self.log = log
        self.settings = settings
        self.directory = directory
        budget = RetryBudget(nowMs: clock.steadyMs)
    }

    // MARK: Names, lines, sources

    func learn(_ id: NameID, _ name: String) {
        guard id != 0, names[id] == nil else { return }
        names[id] = name
        ids[name] = id
    }

    func line(_ queue: NameID, name: String) -> QueueLine {
        if let line = lines[queue] { return line }
        let line = QueueLine(queue: queue, name: name)
        line.handler = QueueName(name).flatMap(directory.handler(of:))
        learn(queue, name)
        lines[queue] = line
        linesByName[name] = line
        return line
    }

    func source(_ line: QueueLine, _ site: NameID) -> Source {
        if let source = line.sources[site] { return source }
        let source = Source(queue: line.queue, site: site, line: line)
        source.isPaused = isPaused(source)
        source.isConfigured = isConfigured(source)
        line.sources[site] = source
        sourceCount += 1
        return source
    }

    /// Items that a window reads at a time: enough to keep workers busy meanwhile; the more sources, the fewer, so that
    /// memory is bounded.
    var windowPage: Int { max(16, min(1024, 65_536 / max(1, sourceCount))) }

    /// For /metrics.
    func count(_ item: ActiveItem, _ outcome: String) {
        outcomes.add(item.source.line, item.row.site, outcome) { names[$0] }
    }

    func configure(_ settings: DispatchSettings, directory: SiteDirectory) {
        self.settings = settings
        self.directory = directory
        for line in lines.values {
            line.handler = QueueName(line.name).flatMap(directory.handler(of:))
            for source in line.sources.values { source.isConfigured = isConfigured(source) }
            touch(line)
        }
        haveSuspectsChanged = true
    }

    private func isConfigured(_ source: Source) -> Bool {
        source.line.isPlain || directory.serves(site: names[source.site] ?? "", source.line.name, source.line.handler)
    }

    // MARK: Pauses

    func set(_ pauses: [Pause: Bool]) {
        self.pauses = pauses
        for line in lines.values {
            for source in line.sources.values { source.isPaused = isPaused(source) }
            // Where it goes on, and where a hunter has nothing to hunt any more.
            touch(line)
        }
        haveSuspectsChanged = true
    }

    private func isPaused(_ source: Source) -> Bool { isPaused(source.line, site: names[source.site] ?? "") }

    func isPaused(_ line: QueueLine, site: String) -> Bool {
        guard !pauses.isEmpty else { return false }
        return pauses[Pause(queue: line.name, site: site)] ?? pauses[Pause(queue: line.name, site: "")] ?? false
    }

    // MARK: Consumers

    func add(_ consumer: any Consumer, to line: QueueLine) {
        line.consumers.append(consumer)
        touch(line)
    }

    func remove(_ consumer: any Consumer) {
        // What it hunted is somebody else's now.
        for line in lines(of: consumer) { remove(consumer, from: line) }
    }

    func remove(_ consumer: any Consumer, from line: QueueLine) {
        line.consumers.removeAll { $0 === consumer }
        touch(line)
    }

    func lines(of consumer: any Consumer) -> [QueueLine] {
        lines.values.filter { line in line.consumers.contains { $0 === consumer } }
    }

    // MARK: Turns

    /// Something may start in this line: it is looked at before the loop's turn ends.
    func touch(_ line: QueueLine) {
        if !line.isDirty {
            line.isDirty = true
            dirty.append(line)
        }
        scheduleTurn()
    }

    func touch(_ source: Source) {
        source.line.turns.add(source.site)
        touch(source.line)
    }

    func touchAll() {
        for line in lines.values where !line.turns.isEmpty || line.hasSuspects { touch(line) }
    }

    func scheduleTurn() {
        guard !isTurnScheduled else { return }
        isTurnScheduled = true
        let me = NIOLoopBound(self, eventLoop: loop)
        loop.execute { me.value.turn() }
    }

    private func turn() {
        isTurnScheduled = false
        while let line = dirty.popLast() {
            line.isDirty = false
            if !isStopping, !isHoldingWrites, !isResuming { pump(line) }
        }
        tellHunted()
        flushWrites()
    }

    /// Looks at everything again at that time.
    func wake(atMs time: Int64) {
        guard time < wakeMs else { return }
        wake?.cancel()
        wakeMs = time
        let me = NIOLoopBound(self, eventLoop: loop)
        wake = loop.scheduleTask(in: .milliseconds(max(1, time - clock.steadyMs))) {
            me.value.wakeMs = .max
            me.value.touchAll()
        }
    }
}

/// What the dispatcher takes from the configuration.
struct DispatchSettings: Sendable {
    var maxRetries: Int64 = 10
    var targetConcurrency = 20
}
