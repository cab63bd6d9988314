// SPDX-License-Identifier: Apache-2.0

import PluginABI

/// An open site behind the C table's `site_state`: its handlers, its deliveries under way, its drain.
@HostActor
final class SiteRuntime {
    private struct Served {
        let queue: String
        let name: UnsafeBufferPointer<UInt8>
        let handler: any Handler
    }

    let site: Site
    private let hooks: any SiteHooks
    private let served: [Served]
    private var first: Delivery?
    private var inFlight = 0
    private var isDraining = false
    private var isDrained = false

    init(_ site: Site, handlers: [(queue: String, handler: any Handler)], hooks: any SiteHooks) {
        self.site = site
        self.hooks = hooks
        served = handlers.map { queue, handler in
            // Never freed: a few bytes per site opened, against a lookup of a String per item.
            let name = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: queue.utf8.count)
            _ = name.initialize(from: queue.utf8)
            return Served(queue: queue, name: UnsafeBufferPointer(name), handler: handler)
        }
    }

    /// Starts a delivery; its outcome comes by complete(), maybe before this returns to the host.
    func handle(_ job: UnsafePointer<hostd_job>) -> UInt32 {
        let queue = job.pointee.queue.bytes
        guard let served = served.first(where: { UnsafeRawBufferPointer($0.name).elementsEqual(queue) }) else {
            site.log.error(
                "the host sent an item of a queue that this site doesn't serve",
                ["queue": job.pointee.queue.string]
            )
            return HOSTD_RETRY
        }
        let delivery = Delivery(job, queue: served.queue, handler: served.handler, site: self)
        begin(delivery)
        delivery.task = Task(executorPreference: HostExecutor.shared) { await delivery.run() }
        return HOSTD_PENDING
    }

    func cancel(_ token: hostd_token) {
        var delivery = first
        while let current = delivery, current.token != token { delivery = current.next }
        delivery?.task?.cancel()
    }

    func reconfigure(_ config: SiteConfig) throws {
        try hooks.reconfigure(to: config)
        site.config = config
    }

    func drain() {
        guard !isDraining else { return }
        isDraining = true
        Task(executorPreference: HostExecutor.shared) { await self.finishDrain() }
    }

    private func finishDrain() async {
        await hooks.drain()
        isDrained = true
        tellIfDrained()
    }

    func close() {
        // Past the deadline handlers may still wait for operations that the host has dropped by now: let them end.
        var delivery = first
        while let current = delivery {
            delivery = current.next
            current.task?.cancel()
        }
        hooks.close()
    }

    private func begin(_ delivery: Delivery) {
        delivery.next = first
        first?.previous = delivery
        first = delivery
        inFlight += 1
    }

    func end(_ delivery: Delivery) {
        if let previous = delivery.previous { previous.next = delivery.next } else { first = delivery.next }
        delivery.next?.previous = delivery.previous
        delivery.previous = nil
        delivery.next = nil
        inFlight -= 1
        tellIfDrained()
    }

    private func tellIfDrained() {
        guard isDrained, inFlight == 0 else { return }
        isDrained = false
        _ = site.host.table.pointee.drained?(site.host.table, site.handle)
    }
}
