// SPDX-License-Identifier: Apache-2.0
import HostConfig
import QueueCore

/// The configuration in force: hostd.yaml and its sites, read together.
///
/// A snapshot; a reload makes another.
struct Deployment: Hashable, Sendable {
    var config: HostConfig
    var sites: [SiteConfig]
    /// `--threads`: in the place of `workers.count`.
    var threads: Int?
    /// What sites set for plugins, once it was found right: it stays so until the site is read again, whatever becomes
    /// of the files that its secrets are in.
    var settled: [SiteName: [PluginName: SettledKeys]] = [:]

    static func load(_ path: String?, threads: Int?) throws -> Deployment {
        let (config, sites) = try HostConfig.loadAll(path)
        guard config.stomp.servers.isEmpty else {
            throw SupervisorError.externalBrokers(file: config.file ?? HostConfig.defaultFile)
        }
        return Deployment(config: config, sites: sites, threads: threads)
    }

    /// Of hostd.yaml and of the sites, each once.
    var breakouts: [BreakoutSpec] {
        var seen: Set<BreakoutSpec> = []
        return (config.queue.breakout + sites.flatMap(\.breakout)).filter { seen.insert($0).inserted }
    }

    /// Of one worker.
    var memoryLimits: HostConfig.MemoryLimits { config.memoryLimits(workers: workerCount) }

    /// Workers of a unit.
    var workerCount: Int { threads ?? config.workers.effectiveCount }

    /// Enabled on some site.
    var enabledPlugins: Set<PluginName> { Set(sites.flatMap(\.enabledPlugins)) }

    func sites(enabling plugin: PluginName) -> [SiteConfig] { sites.filter { $0.enabledPlugins.contains(plugin) } }

    /// What a plugin gets of a site, defaults filled in; holds secrets.
    func values(of site: SiteConfig, _ plugin: PluginName, _ descriptor: PluginDescriptor) -> [String: String] {
        if let known = settled[site.nickname]?[plugin], known.keys == descriptor.configKeys { return known.values }
        return PluginConfigCheck.check(site, plugin: plugin, descriptor: descriptor).values
    }

    /// Settles what isn't settled yet by these descriptors, such as all of it at start.
    mutating func settle(_ descriptors: [PluginName: PluginDescriptor]) {
        for site in sites {
            for plugin in site.enabledPlugins {
                guard let descriptor = descriptors[plugin] else { continue }
                if let known = settled[site.nickname]?[plugin], known.keys == descriptor.configKeys { continue }
                let check = PluginConfigCheck.check(site, plugin: plugin, descriptor: descriptor)
                guard check.errors.isEmpty else { continue }
                settled[site.nickname, default: [:]][plugin] = SettledKeys(descriptor.configKeys, check.values)
            }
        }
    }

    /// What the sites set for these plugins, judged by what the plugins declare.
    func pluginErrors(_ descriptors: [PluginName: PluginDescriptor]) -> [ConfigError] {
        sites.flatMap { site in
            site.enabledPlugins.flatMap { plugin in
                descriptors[plugin].map { PluginConfigCheck.check(site, plugin: plugin, descriptor: $0).errors } ?? []
            }
        }
    }
}

/// A site's values for one plugin, with what they were judged by.
struct SettledKeys: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    let keys: [ConfigKey]
    let values: [String: String]

    init(_ keys: [ConfigKey], _ values: [String: String]) {
        self.keys = keys
        self.values = values
    }

    // Secrets are among them.
    var description: String { "***" }
    var customMirror: Mirror { Mirror(self, children: []) }
}

extension Error {
    /// One line for each thing that is wrong.
    var lines: [String] {
        if let error = self as? ConfigError { error.all.map(\.description) } else { ["\(self)"] }
    }
}
