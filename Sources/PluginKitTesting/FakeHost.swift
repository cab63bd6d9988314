// SPDX-License-Identifier: Apache-2.0

import PluginABI
public import PluginKit

/// A host in memory: loads a plugin through its C table, opens sites, hands it items, and shows what it did.
///
/// An author's tests need no daemon, network or clock. Everything goes through the ABI, so what passes here is what a
/// real host sees. A fake host lives as long as its process, as a plugin may hold pointers to it for as long.
public final class FakeHost: Sendable {
    /// The site that calls mean where they name none.
    public static let defaultSite = "alice"

    /// The network.
    public let http = FakeHTTP()
    /// The clock.
    public let clock: VirtualClock
    /// Byte streams to other servers.
    public let streams = FakeStreams()
    /// The cache.
    public let cache: FakeCache
    /// The recipients directory.
    public let recipients = FakeRecipients()
    let state: Locked<FakeHostState>
    // nonisolated(unsafe): the plugin's table is constant and lives for ever.
    nonisolated(unsafe) let table: UnsafePointer<hostd_plugin>

    /// Loads a plugin and starts it.
    ///
    /// `lacking`: Services that this host doesn't have.
    /// Throws ``Refusal`` with what the plugin says.
    public init<P: Plugin>(_ plugin: P.Type, lacking: Set<Host.Service> = []) async throws {
        clock = VirtualClock()
        cache = FakeCache(clock)
        state = Locked(FakeHostState(lacking: lacking))
        table = PluginEntry.table(for: plugin).assumingMemoryBound(to: hostd_plugin.self)
        let problem: Refusal? = await HostThread.run { [self] in
            PluginEntry.select(plugin)
            var pluginState: UnsafeMutableRawPointer?
            let host = FakeHostTable.make(for: self)
            let problem = reporting { table.pointee.`init`?(host, &pluginState, $0, $1) ?? HOSTD_E_INVAL }
            state.withLock { $0.plugin = pluginState.map { UInt(bitPattern: $0) } }
            return problem
        }
        if let problem { throw problem }
    }

    /// Opens a site.
    ///
    /// `site.root`, `site.server` and `site.name` are made up unless `config` has them.
    ///
    /// `queues`: The plugin's queues that this worker serves; nil = all.
    public func open(
        _ site: String = defaultSite,
        config: [String: String] = [:],
        queues: [String]? = nil
    ) async throws {
        let snapshot = newSnapshot(site, config)
        let queues = queues ?? handlers.compactMap { $0.map { String(cString: $0.pointee.queue) } }
        let problem: Refusal? = await HostThread.run { [self] in
            let handle = state.withLock { $0.addSite(site, snapshot) }
            var arena = Arena()
            let names = queues.map { arena.add($0) }
            var siteState: UnsafeMutableRawPointer?
            let problem = arena.bytes.withUnsafeBytes { bytes in
                names.map { bytes.slice($0) }.withUnsafeBufferPointer { names in
                    var opening = hostd_site_opening(
                        struct_size: structSize(hostd_site_opening.self),
                        reserved0: 0,
                        site: handle,
                        config: snapshot.pointer,
                        queues: names.baseAddress,
                        queue_count: names.count
                    )
                    return reporting { table.pointee.site_open?(plugin, &opening, &siteState, $0, $1) ?? HOSTD_E_INVAL }
                }
            }
            state.withLock { $0.sites[site]?.pointer = siteState.map { UInt(bitPattern: $0) } }
            return problem
        }
        if let problem { throw problem }
    }

    /// Gives a site a new configuration; where the plugin refuses it, the old one stays.
    public func reconfigure(_ site: String = defaultSite, config: [String: String]) async throws {
        let snapshot = newSnapshot(site, config)
        let problem: Refusal? = await HostThread.run { [self] in
            let problem = reporting {
                table.pointee.site_reconfigure?(pointer(of: site), snapshot.pointer, $0, $1) ?? HOSTD_E_INVAL
            }
            if problem == nil { state.withLock { $0.sites[site]?.config = snapshot } }
            return problem
        }
        if let problem { throw problem }
    }

    /// Hands an item to its handler and waits for the outcome.
    ///
    /// `started`: Told the delivery's token, for ``cancel(_:)``.
    public func deliver(
        _ item: FakeItem,
        site: String = defaultSite,
        started: (@Sendable (UInt64) -> Void)? = nil
    ) async -> FakeDelivery {
        await withCheckedContinuation { continuation in
            HostThread.post { [self] in begin(item, site, continuation, started) }
        }
    }

    /// Hands an item to its handler for as long as the handler continues; all that it staged.
    public func expand(_ item: FakeItem, site: String = defaultSite) async -> FakeDelivery {
        var item = item
        var staged: [FakeItem] = []
        while true {
            let delivery = await deliver(item, site: site)
            staged += delivery.staged
            guard delivery.outcome.verdict == .continue else {
                return FakeDelivery(outcome: delivery.outcome, staged: staged)
            }
            item.cursor = delivery.outcome.cursor
        }
    }

    /// Tells a handler that the deadline of its item is near.
    public func cancel(_ token: UInt64) async {
        await HostThread.run { [self] in
            guard let delivery = state.withLock({ $0.deliveries[token] }) else { return }
            handler(of: delivery.queue)?.pointee.cancel?(pointer(of: delivery.site), token)
        }
    }

    /// Tells a site that it gets no more items, and waits until the plugin says that it is idle.
    public func drain(_ site: String = defaultSite) async {
        await withCheckedContinuation { continuation in
            HostThread.post { [self] in
                state.withLock { $0.sites[site]?.drained = continuation }
                table.pointee.site_drain?(pointer(of: site), clock.now.milliseconds + 30_000)
            }
        }
    }

    /// Closes a site; its operations are cancelled first, as a host does.
    public func close(_ site: String = defaultSite) async {
        await HostThread.run { [self] in
            state.withLock { $0.cancelOperations(of: site) }
            table.pointee.site_close?(pointer(of: site))
            state.withLock { $0.sites[site] = nil }
        }
    }

    /// Ends the plugin.
    public func shutdown() async {
        await HostThread.run { [self] in table.pointee.shutdown?(plugin) }
    }

    /// A descriptor under watch is ready.
    public func signal(_ descriptor: Int32, _ events: DescriptorEvents) async {
        let watches = state.withLock { $0.watches.filter { $0.value.descriptor == descriptor } }
        for (operation, watch) in watches where watch.events.contains(events) {
            await HostThread.run {
                watch.callback.function(watch.callback.user, operation, descriptor, events.rawValue)
            }
        }
    }
}

extension FakeHost {
    /// Why a plugin or a site wasn't started.
    public struct Refusal: Error, CustomStringConvertible {
        /// The plugin's sentence.
        public let description: String
    }

    /// A line in the host's log.
    public struct LogLine: Sendable {
        /// 3 = error, 4 = warning, 6 = info, 7 = debug.
        public let level: Int
        /// The sentence.
        public let message: String
        /// What varies.
        public let fields: [String: String]
    }

    /// What the plugin has logged.
    public var log: [LogLine] { state.withLock { $0.log } }
    /// Lanes and queues that were held: `(queue, lane, duration)`, an empty lane for a whole queue.
    public var holds: [(queue: String, lane: String, duration: Duration)] { state.withLock { $0.holds } }
    /// What was enqueued outside deliveries.
    public var enqueued: [FakeItem] { state.withLock { $0.enqueued } }
    /// Operations of the host that the plugin waits for.
    public var operationCount: Int { state.withLock { $0.operations.count } }
    /// The value of a counter or gauge of a site; 0 where it was never touched.
    public func metric(_ name: String, site: String = defaultSite) -> Double {
        state.withLock { $0.metrics[FakeHostState.Metric(name: name, site: site)] ?? 0 }
    }
}
