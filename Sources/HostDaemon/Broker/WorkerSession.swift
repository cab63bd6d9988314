// SPDX-License-Identifier: Apache-2.0
import Logging
import NIOCore
import QueueCore
import QueueStore
import WorkerLink

/// One worker's link: hands it items up to its credit, and settles what it reports.
///
/// Confined to the broker's loop.
final class WorkerSession: ChannelInboundHandler, Consumer {
    typealias InboundIn = LinkMessage
    typealias OutboundOut = LinkMessage

    unowned let core: BrokerCore
    private let registry: WorkerRegistry
    private var context: ChannelHandlerContext?
    private(set) var hello: LinkHello?
    private var windows: [NameID: ClaimWindow] = [:]
    /// Of the queues that it serves; all sites where none is named.
    private var scopes: [NameID: SiteScope] = [:]
    var inFlight: [UInt64: ActiveItem] = [:]
    /// By name: a site may be refused before it had its first item.
    private var refused: Set<String> = []
    private var refusesAll = false
    private lazy var holds = HoldOrder(core)
    private var nextDelivery: UInt64 = 1
    private var outbox: [(UInt64, ActiveItem)] = []
    /// A handler missed its deadline: the worker ends itself, and nothing else in it is to blame.
    private(set) var isEnding = false
    /// Came before it was known which deliveries are still the worker's.
    private var early: [ItemResult] = []
    private var hasResumed = false
    /// Results of this link that were taken note of.
    private var taken: UInt64 = 0
    /// Those of them that are known to be on disk.
    private var acknowledged: UInt64 = 0
    private var willAcknowledge = false
    var isHunting = false
    /// It had a delivery already: what it left in the process may be what the next one dies of.
    var isFresh: Bool { nextDelivery <= 2 }

    /// Whom a death is to be blamed on, where several plugins share the process, each with a link of its own.
    enum Blame {
        /// Only items of this link can have done it.
        case alone
        /// Items of another link may have done it as well.
        case shared
        /// It was a handler of another link.
        case nobody
    }

    init(_ core: BrokerCore, _ registry: WorkerRegistry) {
        self.core = core
        self.registry = registry
    }

    // MARK: Consumer

    func room(in line: QueueLine) -> Int {
        context?.channel.isWritable != true ? 0 : windows[line.queue]?.room ?? 0
    }
    func takes(_ source: Source) -> Bool {
        guard !refusesAll, !isEnding, let scope = scopes[source.queue] else { return false }
        if refused.isEmpty, scope == .all { return true }
        let site = core.dispatcher.names[source.site] ?? ""
        return !refused.contains(site) && scope.contains(SiteName(unchecked: site))
    }
    var isIdle: Bool { inFlight.isEmpty }
    var isHunter: Bool { hello?.isHunter == true }

    func take(_ item: ActiveItem) {
        windows[item.row.queue]?.take()
        outbox.append((nextDelivery, item))
        inFlight[nextDelivery] = item
        nextDelivery += 1
    }

    func cancel(where isMeant: (ActiveItem) -> Bool) {
        let ids = inFlight.filter { isMeant($0.value) }.keys.sorted()
        guard !ids.isEmpty, let context else { return }
        // Behind the message that brought them.
        flush()
        context.writeAndFlush(wrapOutboundOut(.cancel(ids)), promise: nil)
    }

    func flush() {
        guard !outbox.isEmpty, let context else { return }
        var batch = BatchBuilder(names: core.dispatcher.names)
        for (id, item) in outbox {
            batch.add(item, id: id, isLastTry: item.counts.attempts >= core.dispatcher.maxAttempts(item))
        }
        outbox.removeAll(keepingCapacity: true)
        context.writeAndFlush(wrapOutboundOut(.deliver(batch.build())), promise: nil)
    }

    // MARK: Channel

    func channelActive(context: ChannelHandlerContext) { self.context = context }
    func handlerAdded(context: ChannelHandlerContext) { if context.channel.isActive { self.context = context } }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .hello(let hello): greet(hello)
        case .results(let results): take(results)
        case .enqueue(let request, let site, let items): enqueue(request, site, items)
        case .hold(let site, let queue, let lane, let ms, let text):
            holds.put(site, queue) { [core] in core.dispatcher.hold($0, key: lane, ms: Int64(ms), text: text) }
        case .refuse(let sites): refuse(sites)
        case .accept(let sites): accept(sites)
        case .serve(let queues): serve(queues)
        case .deliver, .enqueued, .cancel, .settled: context.close(promise: nil)
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { touchLines() }
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        core.log.error("a worker's link failed", metadata: ["error": "\(error)", "pid": "\(hello?.pid ?? 0)"])
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        core.dispatcher.remove(self)
        core.resumption?.left(self)
        registry.lost(self)
        context.fireChannelInactive()
    }

    // MARK: Messages

    private func greet(_ hello: LinkHello) {
        guard self.hello == nil, hello.version == LinkHello.protocolVersion else {
            context?.close(promise: nil)
            return
        }
        self.hello = hello
        nextDelivery = hello.lastDelivery + 1
        registry.joined(self)
        serve(hello.queues)
    }

    /// Serves these queues from now on, and no others.
    private func serve(_ queues: [QueueCredit]) {
        let me = NIOLoopBound(self, eventLoop: core.loop)
        core.store.write { (transaction) throws(QueueStoreError) in
            var ids: [NameID] = []
            for queue in queues { ids.append(try transaction.nameID(queue.queue.rawValue)) }
            return ids
        } completion: { result in
            guard case .success(let ids) = result, me.value.context != nil else {
                me.value.context?.close(promise: nil)
                return
            }
            me.value.serve(zip(ids, queues))
        }
    }

    private func serve(_ queues: some Sequence<(NameID, QueueCredit)>) {
        let dispatcher = core.dispatcher
        let before = Set(scopes.keys)
        scopes = [:]
        for (id, queue) in queues {
            scopes[id] = queue.sites
            // What is in flight still counts.
            if windows[id] == nil {
                windows[id] = ClaimWindow(credit: Int(queue.credit))
                for item in inFlight.values where item.row.queue == id { windows[id]?.take() }
            }
            let line = dispatcher.line(id, name: queue.queue.rawValue)
            if before.contains(id) { dispatcher.touch(line) } else { dispatcher.add(self, to: line) }
        }
        for line in dispatcher.lines(of: self) where scopes[line.queue] == nil { dispatcher.remove(self, from: line) }
        if !hasResumed {
            guard let resumption = core.resumption else { return resumed() }
            resumption.joined(self)
        }
    }

    /// The worker has this one of a broker that is gone.
    func adopt(_ item: ActiveItem, as delivery: UInt64) {
        inFlight[delivery] = item
        windows[item.row.queue]?.take()
    }

    /// What the worker kept of its link before, to this same broker.
    func adopt(from old: WorkerSession) {
        for held in hello?.held ?? [] {
            guard let item = old.inFlight.removeValue(forKey: held.id) else { continue }
            inFlight[held.id] = item
            if item.source.holder === old { item.source.holder = self }
        }
        isHunting = old.isHunting
    }

    /// It is known which deliveries are the worker's.
    func resumed() {
        guard !hasResumed else { return }
        hasResumed = true
        let results = early
        early = []
        take(results)
    }

    private func take(_ results: [ItemResult]) {
        guard hasResumed else {
            early += results
            return
        }
        for result in results { end(result) }
        taken += UInt64(results.count)
        acknowledge()
    }

    /// The worker keeps its results until they are on disk.
    private func acknowledge() {
        guard !willAcknowledge, taken > acknowledged else { return }
        willAcknowledge = true
        let count = taken
        core.dispatcher.whenFlushed.append { [self] in
            willAcknowledge = false
            acknowledged = count
            guard let context else { return }
            context.writeAndFlush(wrapOutboundOut(.settled(count)), promise: nil)
            acknowledge()
        }
        core.dispatcher.scheduleTurn()
    }

    private func end(_ result: ItemResult) {
        guard let item = inFlight.removeValue(forKey: result.id) else { return }
        let dispatcher = core.dispatcher
        let handledMs = Int64(result.elapsedUs / 1000)
        let waitedMs = core.clock.steadyMs - item.claimedMs - handledMs
        windows[item.row.queue]?.end(waitedMs: waitedMs, handledMs: handledMs)
        let outcome = result.outcome
        dispatcher.count(item, outcome.code.word)
        dispatcher.outcomes.observe(item, elapsedUs: result.elapsedUs)
        let commits = outcome.code == .done || outcome.code == .continue
        if commits && (outcome.code == .continue || !result.staged.isEmpty) {
            core.commitChunk(item, outcome, result.staged)
        } else {
            if outcome.code == .overdue { isEnding = true }
            if outcome.code != .giveBack { item.isSuspect = false }
            dispatcher.settle(item, outcome)
        }
        dispatcher.endHunt(self)
    }

    private func enqueue(_ request: UInt64, _ site: SiteName, _ items: [NewItem]) {
        let incoming = items.map { core.made($0, site: site, notice: nil, isBulk: false) }
        let me = NIOLoopBound(self, eventLoop: core.loop)
        core.enqueue(incoming) { error in
            guard let context = me.value.context else { return }
            let answer = LinkMessage.enqueued(request: request, error: error.map { "\($0)" })
            context.writeAndFlush(me.value.wrapOutboundOut(answer), promise: nil)
        }
    }

    private func refuse(_ sites: [SiteName]) {
        if sites.isEmpty { refusesAll = true }
        refused.formUnion(sites.map(\.rawValue))
        // What it hunts somebody else may hunt.
        touchLines()
    }

    private func accept(_ sites: [SiteName]) {
        if sites.isEmpty { refusesAll = false }
        refused.subtract(sites.map(\.rawValue))
        touchLines()
    }

    private func touchLines() {
        for line in core.dispatcher.lines(of: self) { core.dispatcher.touch(line) }
    }
}
