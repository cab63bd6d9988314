// SPDX-License-Identifier: Apache-2.0

import PluginABI

/// A plugin's instance behind the C table's `plugin_state`; the C entry points don't know its type.
@HostActor
class PluginRuntime {
    let host: Host

    init(host: Host) { self.host = host }

    func open(_ opening: UnsafePointer<hostd_site_opening>) throws -> SiteRuntime {
        preconditionFailure("a PluginRuntime is always a TypedPluginRuntime")
    }

    func shutdown() {}
}

/// The same with the plugin's type.
@HostActor
final class TypedPluginRuntime<P: Plugin>: PluginRuntime {
    private let plugin: P

    init(_ type: P.Type, host: Host) throws {
        plugin = try P(host: host)
        super.init(host: host)
    }

    override func open(_ opening: UnsafePointer<hostd_site_opening>) throws -> SiteRuntime {
        let site = Site(opening, host: host)
        let state = try plugin.open(site)
        var handlers: [(queue: String, handler: any Handler)] = []
        for queue in P.queues where site.queues.contains(queue.name) {
            handlers.append((queue.name, try queue.make(state)))
        }
        return SiteRuntime(site, handlers: handlers, hooks: TypedSite(plugin, state))
    }

    override func shutdown() { plugin.shutdown() }
}

/// What the plugin does for a site, with its types erased for `SiteRuntime`.
@HostActor
protocol SiteHooks: AnyObject {
    func reconfigure(to config: SiteConfig) throws
    func drain() async
    func close()
}

/// A site's state in the plugin's own type.
@HostActor
private final class TypedSite<P: Plugin>: SiteHooks {
    private let plugin: P
    private let state: P.State

    init(_ plugin: P, _ state: P.State) {
        self.plugin = plugin
        self.state = state
    }

    func reconfigure(to config: SiteConfig) throws { try plugin.reconfigure(state, to: config) }
    func drain() async { await plugin.drain(state) }
    func close() { plugin.close(state) }
}
