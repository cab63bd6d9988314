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

    /// What the sites set for these plugins, judged by what the plugins declare.
    func pluginErrors(_ descriptors: [PluginName: PluginDescriptor]) -> [ConfigError] {
        sites.flatMap { site in
            site.enabledPlugins.flatMap { plugin in
                descriptors[plugin].map { PluginConfigCheck.check(site, plugin: plugin, descriptor: $0).errors } ?? []
            }
        }
    }
}

extension Error {
    /// One line for each thing that is wrong.
    var lines: [String] {
        if let error = self as? ConfigError { error.all.map(\.description) } else { ["\(self)"] }
    }
}
