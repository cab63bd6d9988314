// SPDX-License-Identifier: Apache-2.0
import Control
import HostConfig
import QueueCore

/// Which processes a deployment needs, and what each is told: pure.
///
/// The supervisor makes the running processes equal it.
struct SpawnPlan: Equatable {
    /// A plugin's code as it runs now.
    struct RunningPlugin: Equatable, Sendable {
        var code: LoadablePlugin
        var generation: Int
    }

    private(set) var broker: BrokerConfiguration
    /// nil = switched off.
    private(set) var console: ConsoleConfiguration?
    /// By plugin, then by index.
    ///
    /// Only plugins that a site enables and that can be run.
    private(set) var workers: [PluginName: [WorkerConfiguration]] = [:]

    init(
        _ deployment: Deployment,
        running: [PluginName: RunningPlugin],
        known: [PluginName: PluginDescriptor],
        stateDirectory: String
    ) {
        broker = Self.broker(deployment, running: running, known: known, stateDirectory: stateDirectory)
        console = Self.console(deployment.config, stateDirectory: stateDirectory)
        for (plugin, code) in running {
            let all = Self.workers(of: plugin, code, deployment, stateDirectory: stateDirectory)
            if !all.isEmpty { workers[plugin] = all }
        }
    }

    /// One generation of a plugin's workers; none where no site enables it.
    ///
    /// A queue that has one worker per site is served by the first only; a further worker that has no queue left isn't
    /// started.
    static func workers(
        of plugin: PluginName,
        _ running: RunningPlugin,
        _ deployment: Deployment,
        stateDirectory: String
    ) -> [WorkerConfiguration] {
        let descriptor = running.code.descriptor
        let sites = deployment.sites(enabling: plugin).map { site in
            WorkerSite(
                nickname: site.nickname,
                server: site.server,
                name: site.name,
                root: site.root,
                values: PluginConfigCheck.check(site, plugin: plugin, descriptor: descriptor).values
            )
        }
        guard !sites.isEmpty, !descriptor.handlers.isEmpty else { return [] }
        var shared = descriptor
        shared.handlers.removeAll(where: \.isSingleton)
        let count = shared.handlers.isEmpty ? 1 : deployment.workerCount
        let http = deployment.config.http
        return (0..<count).map { index in
            var worker = WorkerConfiguration(
                plugin: plugin,
                pluginPath: running.code.path,
                descriptor: index == 0 ? descriptor : shared,
                generation: running.generation,
                index: index,
                stateDirectory: stateDirectory,
                workerSocket: BrokerConfiguration(stateDirectory: stateDirectory).workerSocket,
                sites: sites
            )
            worker.httpTimeoutMs = Int(clamping: http.timeoutMs)
            worker.connectionsPerHost = http.connectionsPerHost
            worker.allowPrivate = http.allowPrivate
            worker.cacheServers = deployment.config.cache.servers.map(\.description)
            worker.version = HostVersion.current
            return worker
        }
    }

    private static func broker(
        _ deployment: Deployment,
        running: [PluginName: RunningPlugin],
        known: [PluginName: PluginDescriptor],
        stateDirectory: String
    ) -> BrokerConfiguration {
        let queue = deployment.config.queue
        var broker = BrokerConfiguration(stateDirectory: stateDirectory)
        broker.listenHost = queue.listen?.host
        broker.listenPort = queue.listen?.port ?? 0
        broker.username = queue.username
        broker.password = queue.password?.reveal()
        broker.basename = queue.basename
        broker.controlChannels = [queue.controlChannel, QueueConfig.olderControlChannel]
        broker.breakout = queue.breakout.map(\.description)
        broker.maxRetries = queue.maxRetries
        broker.deadLetterDirectory = queue.deadLetterDir
        broker.targetConcurrency = queue.targetConcurrency
        broker.expiresMs = queue.expiresMs
        broker.historyMs = queue.historyMs
        broker.dedupeWindowMs = queue.dedupeWindowMs
        broker.priorities = queue.priorities.mapValues(Int.init)
        broker.version = HostVersion.current
        broker.sites = deployment.sites.map {
            SiteEntry(nickname: $0.nickname, server: $0.server, plugins: $0.enabledPlugins)
        }
        broker.plugins = deployment.enabledPlugins.sorted().map { plugin in
            let code = running[plugin]?.code
            return PluginEntry(name: plugin, descriptor: code?.descriptor ?? known[plugin], isLoaded: code != nil)
        }
        return broker
    }

    private static func console(_ config: HostConfig, stateDirectory: String) -> ConsoleConfiguration? {
        guard let listen = config.console.listen else { return nil }
        var console = ConsoleConfiguration(
            listenHost: listen.host,
            listenPort: listen.port,
            token: config.console.token?.reveal(),
            controlSocket: stateDirectory + "/control.sock"
        )
        console.version = HostVersion.current
        return console
    }
}
