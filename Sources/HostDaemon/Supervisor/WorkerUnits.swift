// SPDX-License-Identifier: Apache-2.0
import Control
import HostConfig
import QueueCore

/// Divides what a deployment's plugins serve into units, each with workers of its own: pure.
///
/// A unit is a group of queues, or one breakout entry: GROUP/QUEUE takes a queue out of its group, GROUP/QUEUE/SITE one
/// site's part of it. A unit has `workers.count` workers for each plugin (or, with `workers.isolate: group`, for all of
/// its plugins together); a queue for one worker per site is served by the first of them only, and a unit that has no
/// other queues has no further worker. No group's name means anything here.
struct WorkerUnits {
    let deployment: Deployment
    let stateDirectory: String
    private let parts: [Part]

    /// What a unit has of one plugin.
    private struct Part {
        /// Of the first worker.
        var configuration: WorkerConfiguration
        /// Of the further workers; nil = there are none.
        var further: WorkerConfiguration?
    }

    init(_ deployment: Deployment, _ running: [PluginName: SpawnPlan.RunningPlugin], stateDirectory: String) {
        self.deployment = deployment
        self.stateDirectory = stateDirectory
        parts = running.sorted { $0.key < $1.key }.flatMap { plugin, code in
            Self.parts(of: plugin, code, deployment, stateDirectory: stateDirectory)
        }
    }

    var workers: [WorkerConfiguration] {
        switch deployment.config.workers.isolate {
        case .plugin: parts.flatMap { workers(of: [$0], isShared: false) }
        case .group:
            Dictionary(grouping: parts, by: \.configuration.unit).sorted { $0.key < $1.key }
                .flatMap { workers(of: $0.value, isShared: true) }
        }
    }

    private func workers(of parts: [Part], isShared: Bool) -> [WorkerConfiguration] {
        let count = parts.contains { $0.further != nil } ? deployment.workerCount : 1
        return (0..<count).compactMap { index in
            var members = parts.compactMap { index == 0 ? $0.configuration : $0.further }
            for member in members.indices {
                members[member].index = index
                members[member].isShared = isShared
            }
            guard var first = members.first else { return nil }
            first.others = Array(members.dropFirst())
            return first
        }
    }

    private static func parts(
        of plugin: PluginName,
        _ running: SpawnPlan.RunningPlugin,
        _ deployment: Deployment,
        stateDirectory: String
    ) -> [Part] {
        guard let whole = whole(of: plugin, running, deployment, stateDirectory: stateDirectory) else { return [] }
        let handlers = whole.descriptor.handlers
        let singletons = Set(handlers.filter(\.isSingleton).map(\.queue))
        let units = units(of: handlers, Set(whole.sites.map(\.nickname)), deployment.breakouts)
        return units.sorted { $0.key < $1.key }.compactMap { unit, queues in
            var worker = whole
            worker.unit = unit
            guard let first = worker.serving(queues) else { return nil }
            return Part(configuration: first, further: worker.serving(queues.filter { !singletons.contains($0.key) }))
        }
    }

    /// A worker for all queues of a plugin, of all sites; nil where no site enables it.
    static func whole(
        of plugin: PluginName,
        _ running: SpawnPlan.RunningPlugin,
        _ deployment: Deployment,
        stateDirectory: String
    ) -> WorkerConfiguration? {
        let descriptor = running.code.descriptor
        let sites = deployment.sites(enabling: plugin).map { site in
            WorkerSite(
                nickname: site.nickname,
                server: site.server,
                name: site.name,
                root: site.root,
                values: deployment.values(of: site, plugin, descriptor)
            )
        }
        guard !sites.isEmpty else { return nil }
        var worker = WorkerConfiguration(
            plugin: plugin,
            pluginPath: running.code.path,
            descriptor: descriptor,
            generation: running.generation,
            index: 0,
            stateDirectory: stateDirectory,
            workerSocket: BrokerConfiguration(stateDirectory: stateDirectory).workerSocket,
            sites: sites
        )
        worker.take(deployment)
        return worker
    }

    /// Which queues of a plugin are in which unit.
    private static func units(
        of handlers: [HandlerDescriptor],
        _ sites: Set<SiteName>,
        _ breakouts: [BreakoutSpec]
    ) -> [String: [QueueName: SiteScope]] {
        var units: [String: [QueueName: SiteScope]] = [:]
        for handler in handlers {
            let entries = breakouts.filter { $0.group == handler.group && $0.queue == handler.queue }
            let whole = entries.first { $0.site == nil }
            var taken: Set<SiteName> = []
            for entry in entries {
                guard let site = entry.site, sites.contains(site) else { continue }
                taken.insert(site)
                units[entry.description, default: [:]][handler.queue] = .only(site)
            }
            units[whole?.description ?? handler.group.rawValue, default: [:]][handler.queue] = .except(taken)
        }
        return units
    }
}

extension WorkerConfiguration {
    /// hostd.yaml's part.
    fileprivate mutating func take(_ deployment: Deployment) {
        let http = deployment.config.http
        httpTimeoutMs = Int(clamping: http.timeoutMs)
        connectionsPerHost = http.connectionsPerHost
        allowPrivate = http.allowPrivate
        cacheServers = deployment.config.cache.servers.map(\.description)
        startTimeoutMs = Int(clamping: deployment.config.workers.startTimeout.wholeMilliseconds)
        softLimitBytes = deployment.memoryLimits.soft.bytes
        debugMemory = deployment.config.queue.debugMemory
        version = HostVersion.current
    }

    /// With these queues, and only the sites that they have; nil where nothing is left.
    fileprivate func serving(_ queues: [QueueName: SiteScope]) -> WorkerConfiguration? {
        var worker = self
        worker.queues = queues
        if !queues.values.contains(.all) {
            worker.sites = sites.filter { site in queues.values.contains { $0.contains(site.nickname) } }
        }
        return worker.sites.isEmpty || queues.isEmpty ? nil : worker
    }
}
