// SPDX-License-Identifier: Apache-2.0
package import NIOCore
import PluginABI
package import QueueCore

extension PluginInstance {
    /// Whether deliveries of this site are taken.
    ///
    /// On the loop.
    package func isOpen(_ site: SiteName) -> Bool { sites[site]?.phase == .open }

    /// The sites that are not closed.
    ///
    /// On the loop.
    package var siteNames: [SiteName] { Array(sites.keys) }

    /// Opens a site, or says why the plugin refused.
    ///
    /// On the loop.
    package func open(_ settings: SiteSettings) throws(PluginHostError) {
        loop.preconditionInEventLoop()
        guard sites[settings.nickname] == nil else { throw .siteIsOpen(settings.nickname) }
        let site = OpenSite(settings)
        guard siteTable.insert(site) else { throw .siteIsOpen(settings.nickname) }
        let names = queues.values.map(\.name)
        var state: UnsafeMutableRawPointer?
        let (status, message) = names.withUnsafeBufferPointer { names in
            var opening = hostd_site_opening()
            opening.struct_size = UInt32(MemoryLayout<hostd_site_opening>.size)
            opening.site = site.handle
            opening.config = site.config.opaque
            opening.queues = names.baseAddress
            opening.queue_count = names.count
            return enter(.siteOpen) {
                Self.withError { error, capacity in
                    table.pointee.site_open?(pluginState, &opening, &state, error, capacity) ?? HOSTD_E_UNSUPPORTED
                }
            }
        }
        guard status >= 0 else {
            for operation in operations.takeAll(of: site.handle) { operation.abandon() }
            siteTable.remove(site)
            throw .siteOpenFailed(
                plugin: self.settings.plugin,
                site: settings.nickname,
                status: status,
                message: message
            )
        }
        site.state = state
        site.phase = .open
        sites[settings.nickname] = site
    }

    /// Puts new settings into force.
    ///
    /// False where the plugin can't change an open site: then drain it and open it anew. Jobs under way keep their own
    /// snapshot. On the loop.
    package func reconfigure(_ settings: SiteSettings) throws(PluginHostError) -> Bool {
        loop.preconditionInEventLoop()
        guard let site = sites[settings.nickname], site.phase == .open else { return false }
        // Also where the plugin couldn't change it: there is nothing to change.
        guard site.settings != settings else { return true }
        guard let reconfigure = table.pointee.site_reconfigure else { return false }
        let config = ConfigSnapshot(settings, generation: site.config.generation + 1)
        let (status, message) = enter(.siteReconfigure) {
            Self.withError { error, capacity in reconfigure(site.state, config.opaque, error, capacity) }
        }
        guard status >= 0 else {
            throw .reconfigureFailed(
                plugin: self.settings.plugin,
                site: settings.nickname,
                status: status,
                message: message
            )
        }
        site.settings = settings
        site.config = config
        return true
    }

    /// Tells the plugin that no new items of a site come; closes the site when it is idle, or at the deadline.
    ///
    /// Deliveries that are under way go on; those that are not done at the deadline are given back, which counts as
    /// nothing. On the loop.
    package func drain(_ name: SiteName, within timeout: TimeAmount, closed: @escaping () -> Void) {
        loop.preconditionInEventLoop()
        guard let site = sites[name] else {
            closed()
            return
        }
        site.closed.append(closed)
        guard site.phase == .open else { return }
        site.phase = .draining
        site.drainDeadlineMs = HostClock.monotonicMs() + timeout.nanoseconds / 1_000_000
        // Near the end the plugin is asked to let go of what is still under way.
        loop.assumeIsolated().scheduleTask(in: .nanoseconds(timeout.nanoseconds / 10 * 8)) {
            self.cancelDeliveries(of: site)
        }
        loop.assumeIsolated().scheduleTask(in: timeout) { self.endDrain(site) }
        enter(.siteDrain) { table.pointee.site_drain?(site.state, site.drainDeadlineMs) }
        closeIfIdle(site)
    }

    /// The plugin said drained(), or a delivery ended.
    ///
    /// On the loop.
    func closeIfIdle(_ site: OpenSite) {
        guard site.phase == .draining, site.isDrained, site.inFlight == 0 else { return }
        // Not from within a call of the plugin: site_close may free what that call uses.
        loop.assumeIsolated().execute { if site.phase == .draining, site.inFlight == 0 { self.close(site) } }
    }

    private func cancelDeliveries(of site: OpenSite) {
        guard site.phase == .draining else { return }
        for call in deliveries.all where call.site === site { cancel(call) }
    }

    private func endDrain(_ site: OpenSite) {
        guard site.phase == .draining else { return }
        for call in deliveries.all where call.site === site {
            // Handlers were entered, so something may have gone out.
            var outcome = Outcome(.giveBack, text: "not done when the worker had to end")
            outcome.maybeDelivered = true
            giveUp(call, outcome)
        }
        close(site)
    }

    private func close(_ site: OpenSite) {
        site.phase = .closed
        for operation in operations.takeAll(of: site.handle) { operation.abandon() }
        enter(.siteClose) { table.pointee.site_close?(site.state) }
        siteTable.remove(site)
        sites[site.nickname] = nil
        for closed in site.closed { closed() }
        site.closed = []
    }
}
