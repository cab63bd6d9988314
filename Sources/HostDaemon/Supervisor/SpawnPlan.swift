// SPDX-License-Identifier: Apache-2.0
import Control
import HostConfig
import QueueCore

/// Which processes a deployment needs, and what each is told: pure.
///
/// The supervisor makes the running processes equal it.
struct SpawnPlan: Equatable {
    /// A plugin's code as it runs now.
    struct RunningPlugin: Codable, Equatable, Sendable {
        var code: LoadablePlugin
        var generation: Int
    }

    private(set) var broker: BrokerConfiguration
    /// nil = switched off.
    private(set) var console: ConsoleConfiguration?
    /// By plugin, unit and index.
    ///
    /// Only of plugins that a site enables and that can be run.
    private(set) var workers: [WorkerConfiguration]

    /// `rolling`: new generations that are on their way.
    init(
        _ deployment: Deployment,
        running: [PluginName: RunningPlugin],
        rolling: [PluginName: RunningPlugin] = [:],
        known: [PluginName: PluginDescriptor],
        stateDirectory: String
    ) {
        broker = Self.broker(
            deployment,
            running: running,
            rolling: rolling,
            known: known,
            stateDirectory: stateDirectory
        )
        console = Self.console(deployment.config, stateDirectory: stateDirectory)
        workers = WorkerUnits(deployment, running, stateDirectory: stateDirectory).workers
    }

    /// The workers of new generations: those in which one of the plugins `next` runs, the others as they are.
    static func workers(
        rolling next: [PluginName: RunningPlugin],
        among running: [PluginName: RunningPlugin],
        _ deployment: Deployment,
        stateDirectory: String
    ) -> [WorkerConfiguration] {
        guard !next.isEmpty else { return [] }
        let all = running.merging(next) { _, new in new }
        return WorkerUnits(deployment, all, stateDirectory: stateDirectory).workers.filter { worker in
            worker.members.contains { next[$0.plugin] != nil }
        }
    }

    /// The extra worker that tries items alone; nil where all of a plugin's queues have one worker per site.
    static func hunter(
        of plugin: PluginName,
        _ running: RunningPlugin,
        _ deployment: Deployment,
        stateDirectory: String
    ) -> WorkerConfiguration? {
        let whole = WorkerUnits.whole(of: plugin, running, deployment, stateDirectory: stateDirectory)
        guard var hunter = whole else { return nil }
        for handler in hunter.descriptor.handlers where handler.isSingleton { hunter.queues[handler.queue] = nil }
        guard !hunter.queues.isEmpty else { return nil }
        hunter.index = SlotID.hunterIndex
        hunter.isHunter = true
        return hunter
    }

    private static func broker(
        _ deployment: Deployment,
        running: [PluginName: RunningPlugin],
        rolling: [PluginName: RunningPlugin],
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
        broker.breakout = deployment.breakouts.map(\.description)
        broker.debugMemory = queue.debugMemory
        broker.maxRetries = queue.maxRetries
        broker.deadLetterDirectory = queue.deadLetterDir
        broker.targetConcurrency = queue.targetConcurrency
        broker.expiresMs = queue.expiresMs
        broker.historyMs = queue.historyMs
        broker.maxStoreBytes = queue.maxStore?.bytes
        broker.dedupeWindowMs = queue.dedupeWindowMs
        broker.priorities = queue.priorities.mapValues(Int.init)
        broker.version = HostVersion.current
        broker.sites = deployment.sites.map {
            SiteEntry(nickname: $0.nickname, server: $0.server, plugins: $0.enabledPlugins)
        }
        broker.plugins = deployment.enabledPlugins.sorted().map { plugin in
            let code = running[plugin]?.code
            var descriptor = code?.descriptor ?? known[plugin]
            if let next = rolling[plugin] { descriptor?.add(next.code.descriptor) }
            return PluginEntry(name: plugin, descriptor: descriptor, isLoaded: code != nil)
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

extension PluginDescriptor {
    /// The queues that only the next version has: its first worker may stage items there before the roll-out is over.
    ///
    /// Notices don't go there yet, as the roll-out may be undone.
    fileprivate mutating func add(_ next: PluginDescriptor) {
        for var handler in next.handlers where !handlers.contains(where: { $0.queue == handler.queue }) {
            handler.takesNotices = false
            handlers.append(handler)
        }
        outputs += next.outputs.filter { !outputs.contains($0) }
    }
}
