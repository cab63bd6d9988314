// SPDX-License-Identifier: Apache-2.0
import Logging
import NIOCore
import NIOPosix
import PluginABI
import QueueCore
package import WorkerLink

extension PluginInstance {
    /// Handlers that are entered in one turn of the loop.
    ///
    /// Between turns answers are read: a target that answers at once is served over a few connections that are used again
    /// and again, and only slow ones have as many open as there is credit for.
    private static let startsPerTurn = 32

    /// Calls the handlers of a batch, in order.
    ///
    /// What can't be handled here is given back at once. On the loop.
    package func deliver(_ batch: DeliveredBatch) {
        loop.preconditionInEventLoop()
        waiting.append(WaitingBatch(arena: BatchArena(batch), items: batch.items))
        if !isStarting { startWaiting() }
    }

    private func startWaiting() {
        isStarting = false
        // Items of a batch mostly share queue and site.
        var queue: ServedQueue?
        var site: OpenSite?
        var started = 0
        while let batch = waiting.first {
            for index in batch.next..<batch.items.count {
                guard started < Self.startsPerTurn else {
                    waiting[waiting.startIndex].next = index
                    isStarting = true
                    // Not execute(): the loop would run that before it looks at its sockets.
                    loop.assumeIsolated().scheduleTask(in: .microseconds(10)) { self.startWaiting() }
                    return
                }
                let item = batch.items[index]
                if queue?.descriptor.queue != item.queue { queue = queues[item.queue] }
                if site?.nickname != item.site { site = sites[item.site] }
                guard !batch.cancelled.contains(item.id), let queue, let site, site.phase == .open, phase == .working,
                    let call = prepare(item, queue, site, batch.arena, index)
                else {
                    sink.settle(ItemResult(id: item.id, outcome: Outcome(.giveBack)))
                    continue
                }
                started += 1
                handle(call)
            }
            waiting.removeFirst()
        }
    }

    private func prepare(
        _ item: DeliveredItem,
        _ queue: ServedQueue,
        _ site: OpenSite,
        _ arena: BatchArena,
        _ index: Int
    ) -> HandlerCall? {
        guard let payload = arena.slice(item.payload), let shared = arena.slice(item.shared),
            let lane = arena.slice(item.lane), let dedupeKey = arena.slice(item.dedupeKey),
            let cursor = arena.slice(item.cursor)
        else { return nil }
        let now = HostClock.monotonicNs()
        let timeout = item.timeoutMs > 0 ? Int64(item.timeoutMs) * 1_000_000 : queue.timeoutNs
        let job = arena.job(index)
        job.pointee = hostd_job(
            struct_size: UInt32(MemoryLayout<hostd_job>.size),
            flags: UInt32(item.flags.rawValue),
            token: 0,
            site: site.handle,
            config: site.config.opaque,
            queue: queue.name,
            payload: payload,
            shared: shared,
            lane: lane,
            dedup_key: dedupeKey,
            cursor: cursor,
            attempt: item.attempt,
            kills: item.kills,
            enqueued_ms: item.enqueuedMs,
            deadline_ms: (now + timeout) / 1_000_000
        )
        let call = HandlerCall(
            delivery: item.id,
            item: item.item,
            site: site,
            queue: queue,
            config: site.config,
            arena: arena,
            job: job,
            startedNs: now,
            deadlineNs: now + timeout,
            cancelNs: now + timeout / 10 * 9
        )
        guard deliveries.insert(call) != 0 else { return nil }
        return call
    }

    private func handle(_ call: HandlerCall) {
        let token = call.token
        call.site.inFlight += 1
        journal?.enter(slot: HandleTable<HandlerCall>.slot(of: token), delivery: call.delivery)
        watch.noteDeadline(call.deadlineNs)
        sweep(by: call.cancelNs)
        guard pool == nil else {
            handleInPool(call)
            return
        }
        journal?.setInside(call.delivery)
        var out = hostd_result()
        out.struct_size = UInt32(MemoryLayout<hostd_result>.size)
        let value = enter(.handle, token: token) {
            call.queue.handler.pointee.handle?(call.site.state, call.job, &out) ?? HOSTD_RETRY
        }
        journal?.setInside(0)
        returned(call, OutcomeReader.returned(value, &out))
    }

    /// HOSTD_PF_PARALLEL: the handler may block, so it gets a thread.
    private func handleInPool(_ call: HandlerCall) {
        pool?.submit { state in
            guard state == .active else { return }
            var out = hostd_result()
            out.struct_size = UInt32(MemoryLayout<hostd_result>.size)
            let value = call.queue.handler.pointee.handle?(call.site.state, call.job, &out) ?? HOSTD_RETRY
            let outcome = OutcomeReader.returned(value, &out)
            self.loop.execute { self.returned(call, outcome) }
        }
    }

    private func returned(_ call: HandlerCall, _ outcome: Outcome?) {
        switch deliveries.returned(call, outcome) {
        case .finish(let outcome):
            finish(call, outcome)
        case .finishDroppingReturned(let outcome):
            log.host(
                .warning,
                "handle() returned an outcome after complete() had been called for it; the first one counts",
                ["queue": "\(call.queue.descriptor.queue)", "item": "\(call.item)"]
            )
            finish(call, outcome)
        case .await, .none:
            break
        }
    }

    /// [any] The plugin's complete().
    func complete(_ token: hostd_token, _ result: UnsafePointer<hostd_result>?) -> Int32 {
        let (status, outcome) = OutcomeReader.completion(result)
        guard let (call, action) = deliveries.complete(token, outcome) else { return HOSTD_E_STALE }
        switch action {
        case .stale:
            return HOSTD_E_STALE
        case .keep:
            break
        case .finish(let outcome):
            if loop.inEventLoop {
                finish(call, outcome)
            } else {
                loop.execute { self.finish(call, outcome) }
            }
        }
        return status
    }

    /// The outcome of a delivery is known and it is out of the table.
    ///
    /// On the loop.
    private func finish(_ call: HandlerCall, _ outcome: Outcome) {
        journal?.leave(slot: HandleTable<HandlerCall>.slot(of: call.token), delivery: call.delivery)
        let site = call.site
        site.inFlight -= 1
        let keepsStaged = outcome.code == .done || outcome.code == .continue
        let staged = keepsStaged ? deliveries.takeStaged(call) : []
        tallies[call.queue.descriptor.queue, default: OutcomeTally()].count(outcome.code)
        let elapsedUs = (HostClock.monotonicNs() - call.startedNs) / 1000
        sink.settle(
            ItemResult(id: call.delivery, outcome: outcome, staged: staged, elapsedUs: UInt32(clamping: elapsedUs))
        )
        if site.phase == .draining { closeIfIdle(site) }
    }

    /// The host ends a delivery; the plugin's complete() for it will be stale.
    ///
    /// Its memory stays, since the plugin doesn't know of it: the worker is about to end. On the loop.
    func giveUp(_ call: HandlerCall, _ outcome: Outcome) {
        guard deliveries.giveUp(call) else { return }
        abandoned.append(call.arena)
        finish(call, outcome)
    }

    /// Tells the plugin that a delivery should end soon.
    ///
    /// On the loop.
    func cancel(_ call: HandlerCall) {
        guard call.cancelledNs == nil, deliveries[call.token] === call else { return }
        call.cancelledNs = HostClock.monotonicNs()
        guard let cancel = call.queue.cancel else { return }
        enter(.cancel, token: call.token) { cancel(call.site.state, call.token) }
    }

    /// The broker wants these deliveries to end soon.
    ///
    /// On the loop.
    package func cancel(deliveries ids: [UInt64]) {
        let ids = Set(ids)
        for index in waiting.indices { waiting[index].cancelled.formUnion(ids) }
        for call in deliveries.all where ids.contains(call.delivery) { cancel(call) }
    }

    /// The broker link is gone: what waits for its handler is dropped, since somebody else will get it.
    ///
    /// Returns the deliveries that go on: their handlers were entered, so their outcomes are still to come. On the loop.
    package func dropWaiting() -> Set<UInt64> {
        waiting.removeAll()
        return Set(deliveries.all.map(\.delivery))
    }

    /// Ends all deliveries whose handlers were entered: the worker is about to end.
    ///
    /// On the loop.
    package func giveBackAll(_ text: String) {
        var outcome = Outcome(.giveBack, text: text)
        outcome.maybeDelivered = true
        for call in deliveries.all { giveUp(call, outcome) }
        giveBackWaiting()
    }

    /// Ends deliveries whose handlers weren't entered: they count as nothing.
    private func giveBackWaiting() {
        for batch in waiting {
            for item in batch.items[batch.next...] {
                sink.settle(ItemResult(id: item.id, outcome: Outcome(.giveBack)))
            }
        }
        waiting.removeAll()
    }

    // MARK: - Deadlines

    /// Makes sure that deadlines are looked after at `ns` at the latest.
    private func sweep(by ns: Int64) {
        guard ns < sweepAtNs else { return }
        sweepAtNs = ns
        sweepTask?.cancel()
        let delay = max(0, ns - HostClock.monotonicNs())
        sweepTask = loop.scheduleTask(in: .nanoseconds(delay)) { self.sweep() }
    }

    private func sweep() {
        let now = HostClock.monotonicNs()
        sweepAtNs = .max
        sweepTask = nil
        watch.forgetDeadlines()
        var next = Int64.max
        var isOverdue = false
        for call in deliveries.all {
            if now >= call.overdueNs {
                log.host(
                    .error,
                    "a delivery missed its deadline; its worker ends",
                    [
                        "site": "\(call.site.nickname)", "queue": "\(call.queue.descriptor.queue)",
                        "item": "\(call.item)",
                    ]
                )
                let seconds = Double(call.deadlineNs - call.startedNs) / 1e9
                giveUp(call, Outcome(.overdue, text: "not completed within \(seconds) s"))
                isOverdue = true
            } else {
                watch.noteDeadline(call.deadlineNs)
                if now >= call.cancelNs { cancel(call) }
                next = min(next, call.cancelledNs == nil ? call.cancelNs : call.overdueNs)
            }
        }
        // With many slow deliveries one look serves several: 10 ms are nothing to a deadline.
        if next != .max { sweep(by: max(next, now + 10_000_000)) }
        if isOverdue, let onOverdue {
            self.onOverdue = nil
            onOverdue()
        }
    }
}
