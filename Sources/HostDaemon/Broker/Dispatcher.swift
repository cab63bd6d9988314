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
final class Dispatcher {
    let loop: any EventLoop
    let store: QueueStore
    let clock: any BrokerClock
    let log: Logger
    var settings: DispatchSettings
    var directory: SiteDirectory
    /// Names of ids that sources were made for.
    var names: [NameID: String] = [:]
    var lines: [NameID: QueueLine] = [:]
    var linesByName: [String: QueueLine] = [:]
    var lanes: [LaneHash: Lane] = [:]
    var batch = WriteBatch()
    /// Buried while in memory or claimed: skipped when their turn comes.
    var buried: Set<Int64> = []
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

    // MARK: Lines and sources

    func line(_ queue: NameID, name: String) -> QueueLine {
        if let line = lines[queue] { return line }
        let line = QueueLine(queue: queue, name: name)
        line.handler = QueueName(name).flatMap(directory.handler(of:))
        names[queue] = name
        lines[queue] = line
        linesByName[name] = line
        return line
    }

    func source(_ line: QueueLine, _ site: NameID) -> Source {
        if let source = line.sources[site] { return source }
        let source = Source(queue: line.queue, site: site, line: line)
        source.isPaused = line.isPaused(site: names[site] ?? "")
        line.sources[site] = source
        return source
    }

    /// For /metrics.
    func count(_ item: ActiveItem, _ outcome: String) { outcomes.add(item, outcome) { names[$0] } }

    func configure(_ settings: DispatchSettings, directory: SiteDirectory) {
        self.settings = settings
        self.directory = directory
        for line in lines.values {
            line.handler = QueueName(line.name).flatMap(directory.handler(of:))
            touch(line)
        }
    }

    // MARK: Consumers

    func add(_ consumer: any Consumer, to line: QueueLine) {
        line.consumers.append(consumer)
        touch(line)
    }

    func remove(_ consumer: any Consumer) {
        for line in lines.values { line.consumers.removeAll { $0 === consumer } }
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
            if !isStopping { pump(line) }
        }
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
            for line in me.value.lines.values {
                for source in line.sources.values where !source.isDry { line.turns.add(source.site) }
                if !line.turns.isEmpty { me.value.touch(line) }
            }
        }
    }

    private func pump(_ line: QueueLine) {
        guard !line.consumers.isEmpty else { return }
        let now = clock.steadyMs
        huntSuspects(line)
        var served: [any Consumer] = []
        var attempts = line.consumers.count
        while attempts > 0, !line.turns.isEmpty {
            line.nextConsumer = (line.nextConsumer + 1) % line.consumers.count
            let consumer = line.consumers[line.nextConsumer]
            guard !consumer.isHunting, consumer.room(in: line) > 0, let item = nextItem(line, for: consumer, now: now)
            else {
                attempts -= 1
                continue
            }
            attempts = line.consumers.count
            consumer.take(item)
            if !served.contains(where: { $0 === consumer }) { served.append(consumer) }
        }
        for consumer in served { consumer.flush() }
    }

    /// The next item of a line that may start, already counted as claimed.
    private func nextItem(_ line: QueueLine, for consumer: any Consumer, now: Int64) -> ActiveItem? {
        for _ in 0..<line.turns.count {
            guard let site = line.turns.next(), let source = line.sources[site] else { return nil }
            if source.isPaused || !consumer.takes(site: site) { continue }
            if source.heldUntilMs > now {
                wake(atMs: source.heldUntilMs)
                continue
            }
            if let item = nextItem(source, now: now) { return item }
            if source.isDry { line.turns.removeLast() }
        }
        return nil
    }

    private func nextItem(_ source: Source, now: Int64) -> ActiveItem? {
        while let item = source.returned.popFirst() {
            if let item = startable(item, now: now) { return item }
        }
        source.picks += 1
        // Fresh items go first; one turn in eight is the retries', so that a steady stream doesn't starve them.
        if source.picks % 8 == 0, let item = nextRetry(source, now: now) { return item }
        while let lane = source.unblocked.popFirst() {
            lane.isListed = false
            if let item = nextPending(lane, now: now) { return item }
        }
        for window in source.windows {
            if window.rank.isRetry && !window.items.isEmpty && !mayRetry(now) { continue }
            defer { if window.wantsPage { readPage(source, window) } }
            while let item = window.items.popFirst() {
                if let item = startable(item, now: now) { return item }
            }
        }
        return nextRetry(source, now: now)
    }

    private func nextRetry(_ source: Source, now: Int64) -> ActiveItem? {
        while let lane = source.retrying.first {
            guard mayRetry(now) else { return nil }
            source.retrying.removeFirst()
            lane.isListed = false
            if let item = nextPending(lane, now: now) { return item }
        }
        return nil
    }

    private func mayRetry(_ now: Int64) -> Bool {
        if budget.take(nowMs: now) { return true }
        wake(atMs: now + max(5, budget.waitMs()))
        return false
    }

    private func nextPending(_ lane: Lane, now: Int64) -> ActiveItem? {
        while lane.machine.canStart(nowMs: now), let item = lane.pending.popFirst() {
            guard let item = live(item, now: now) else { continue }
            start(item, in: lane, now: now)
            listIfReady(lane, now: now)
            return item
        }
        loadBacklog(lane)
        return nil
    }

    /// The item, started, where its lane lets it; else it waits there.
    private func startable(_ item: ActiveItem, now: Int64) -> ActiveItem? {
        guard let item = live(item, now: now) else { return nil }
        if item.isSuspect {
            item.source.suspects.append(item)
            touch(item.source.line)
            return nil
        }
        guard let hash = item.row.lane, !item.source.line.isPlain else {
            start(item, in: nil, now: now)
            return item
        }
        let lane = lane(hash, of: item)
        if !lane.hasBacklog, lane.pending.isEmpty, lane.machine.canStart(nowMs: now) {
            start(item, in: lane, now: now)
            return item
        }
        if lane.hasBacklog || lane.machine.isShut(nowMs: now) || lane.pending.count >= Lane.pendingLimit {
            park(item, in: lane)
        } else {
            lane.active.insert(item.row.id)
            lane.pending.append(item)
        }
        return nil
    }

    /// nil: the item was buried meanwhile, or has expired and is buried now.
    private func live(_ item: ActiveItem, now: Int64) -> ActiveItem? {
        if !buried.isEmpty, buried.remove(item.row.id) != nil {
            leaveLane(item)
            return nil
        }
        if item.row.expiresMs > 0, !item.source.line.isPlain, item.row.expiresMs <= clock.wallMs {
            bury(item, .expired, "it waited until it expired")
            leaveLane(item)
            return nil
        }
        return item
    }

    /// An item ends without having been started.
    private func leaveLane(_ item: ActiveItem) {
        guard let hash = item.row.lane, let lane = lanes[hash] else { return }
        lane.active.remove(item.row.id)
        dropIfIdle(lane)
    }

    private func start(_ item: ActiveItem, in lane: Lane?, now: Int64) {
        item.lane = lane
        lane?.active.insert(item.row.id)
        item.isProbe = lane?.machine.start(nowMs: now) ?? false
        if item.isProbe, let lane { lane.lastProbedID = item.row.id }
        item.startedMs = now
        item.deliveries += 1
        item.source.claimed += 1
        if !item.rank.isRetry { budget.sent() }
    }

    // MARK: Suspects

    /// Items that may have killed a worker run one at a time in a worker that has nothing else in flight.
    private func huntSuspects(_ line: QueueLine) {
        let waiting = line.sources.values.filter { !$0.suspects.isEmpty && !$0.isPaused }
        guard !waiting.isEmpty else { return }
        guard let hunter = line.consumers.first(where: { $0.isHunting }) ?? line.consumers.last else { return }
        hunter.isHunting = true
        guard hunter.isIdle else { return }
        for source in waiting where hunter.takes(site: source.site) {
            while let item = source.suspects.popFirst() {
                guard let item = live(item, now: clock.steadyMs) else { continue }
                item.lane = item.row.lane.map { lane($0, of: item) }
                if let lane = item.lane, !lane.machine.canStart(nowMs: clock.steadyMs) {
                    // Its lane is shut or full: it doesn't wait for that, it is one item, and alone.
                    item.lane = nil
                }
                start(item, in: item.lane, now: clock.steadyMs)
                hunter.take(item)
                hunter.flush()
                return
            }
        }
    }

    /// After a suspect was settled: the hunter takes the next one, or is a worker like any other again.
    func endHunt(_ consumer: any Consumer) {
        guard consumer.isHunting, consumer.isIdle else { return }
        let mine = lines.values.filter { line in line.consumers.contains { $0 === consumer } }
        if mine.allSatisfy({ $0.sources.values.allSatisfy(\.suspects.isEmpty) }) { consumer.isHunting = false }
        for line in mine { touch(line) }
    }
}

/// What the dispatcher takes from the configuration.
struct DispatchSettings: Sendable {
    var maxRetries: Int64 = 10
    var targetConcurrency = 20
}
