// SPDX-License-Identifier: Apache-2.0
package import Control
package import QueueCore

/// Which sites there are and who handles what: decides whether an item on hostd's own destinations may run.
///
/// Pure; made anew at each configuration.
package struct SiteDirectory: Sendable {
    package enum Admission: Hashable, Sendable {
        case accepted(SiteName, QueueName)
        /// To the dead letters, with a sentence for people.
        case refused(DeadReason, String)
    }

    package struct Handler: Hashable, Sendable {
        package var plugin: PluginName
        package var descriptor: HandlerDescriptor
    }

    private var byName: [String: SiteEntry] = [:]
    private var byServer: [String: SiteEntry] = [:]
    private var handlers: [QueueName: Handler] = [:]
    private var outputs: Set<QueueName> = []
    /// Enabled plugins of which nobody knows what they handle: they never could be loaded.
    private var unknownPlugins: Set<PluginName> = []

    package init(_ configuration: BrokerConfiguration) {
        for site in configuration.sites {
            byName[site.nickname.rawValue] = site
            byServer[site.server.lowercased()] = site
        }
        for plugin in configuration.plugins {
            guard let descriptor = plugin.descriptor else {
                unknownPlugins.insert(plugin.name)
                continue
            }
            outputs.formUnion(descriptor.outputs)
            for handler in descriptor.handlers where handlers[handler.queue] == nil {
                handlers[handler.queue] = Handler(plugin: plugin.name, descriptor: handler)
            }
        }
    }

    package func handler(of queue: QueueName) -> Handler? { handlers[queue] }
    package func isOutput(_ queue: QueueName) -> Bool { outputs.contains(queue) && handlers[queue] == nil }
    package var groups: Set<GroupName> { Set(handlers.values.map(\.descriptor.group)) }

    package func site(_ name: String) -> SiteEntry? { byName[name] ?? byServer[name.lowercased()] }

    /// Whether what waits for this site in a queue may be handed out; else it waits until the site is there (again), or
    /// enables the queue's plugin (again).
    func serves(site nickname: String, _ queue: String, _ handler: Handler?) -> Bool {
        guard let site = byName[nickname] else { return false }
        guard queue != QueueName.notice.rawValue, let handler else { return true }
        return site.plugins.contains(handler.plugin)
    }

    /// Whether a handler's item belongs to a site that was removed while the handler ran: it waits as the site's others.
    func awaitsSite(_ site: SiteName, _ queue: QueueName) -> Bool {
        byName[site.rawValue] == nil && handlers[queue] != nil
    }

    /// Judges an item by its `site` and `queue` headers.
    ///
    /// `site` may be a nickname or a server's host name.
    package func admit(site name: String, queue queueText: String) -> Admission {
        if name.isEmpty { return .refused(.unknownSite, "the item names no site: send a header site:NICKNAME") }
        guard let site = site(name) else {
            return .refused(.unknownSite, "no site \"\(name)\" is configured: add it to sites_dir, then requeue")
        }
        guard let queue = QueueName(queueText) else {
            return .refused(.noHandler, "\"\(queueText)\" isn't a queue's name: send a header queue:NAME")
        }
        if queue == .notice { return .accepted(site.nickname, queue) }
        if let handler = handlers[queue] {
            if site.plugins.contains(handler.plugin) { return .accepted(site.nickname, queue) }
            return .refused(
                .noHandler,
                "queue \"\(queue)\" is handled by plugin \(handler.plugin), which site \(site.nickname) doesn't enable"
            )
        }
        if site.plugins.contains(where: unknownPlugins.contains) { return .accepted(site.nickname, queue) }
        return .refused(.noHandler, "no loaded plugin handles queue \"\(queue)\": see queuectl plugins")
    }

    /// All stage-1 queues that take notices.
    package var noticeQueues: [QueueName] { handlers.values.filter(\.descriptor.takesNotices).map(\.descriptor.queue) }

    /// The stage-1 queues that get a site's notices, in order of plugin.
    package func noticeQueues(of site: SiteName) -> [QueueName] { queues(of: site, where: \.takesNotices) }

    /// The stage-1 queues that get the delete frames of a site's notices, in order of plugin.
    package func deleteQueues(of site: SiteName) -> [QueueName] { queues(of: site, where: \.takesDeletes) }

    private func queues(of site: SiteName, where isMeant: (HandlerDescriptor) -> Bool) -> [QueueName] {
        guard let site = byName[site.rawValue] else { return [] }
        return handlers.values
            .filter { isMeant($0.descriptor) && site.plugins.contains($0.plugin) }
            .sorted { ($0.plugin, $0.descriptor.queue) < ($1.plugin, $1.descriptor.queue) }
            .map(\.descriptor.queue)
    }
}
