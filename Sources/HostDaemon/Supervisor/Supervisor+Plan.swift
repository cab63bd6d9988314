// SPDX-License-Identifier: Apache-2.0
import Control
import HostConfig
import Logging
import NIOCore
import QueueCore

/// Makes the running processes equal what the configuration and the plugins ask for.
extension Supervisor {
    /// Of what works now, else of the last file that could be loaded.
    var knownDescriptors: [PluginName: PluginDescriptor] {
        memory.known.merging(running.mapValues(\.code.descriptor)) { _, now in now }
    }

    /// Keeps a scan's result; what runs isn't changed by it.
    func takeIn(_ catalog: PluginCatalog) {
        let before = self.catalog
        self.catalog = catalog
        do {
            try memory.remember(catalog.loadable)
        } catch {
            logger.error("can't write descriptors.json", metadata: ["reason": "\(error)"])
        }
        warnOfFiles(before)
    }

    /// Of each fault once, not at each scan.
    private func warnOfFiles(_ before: PluginCatalog) {
        for entry in catalog.entries where !before.entries.contains(entry) {
            guard let reason = entry.verdict.reason else { continue }
            logger.warning("plugin file not used", metadata: ["file": "\(entry.file)", "reason": "\(reason)"])
        }
        if let fault = catalog.fault, fault != before.fault {
            logger.warning("no plugins", metadata: ["reason": "\(fault)"])
        }
        let files = Set(catalog.entries.compactMap(\.name))
        for plugin in Set(before.entries.compactMap(\.name)).subtracting(files).sorted() where running[plugin] != nil {
            logger.warning(
                "a plugin's file is gone; its workers go on until hostd stops",
                metadata: ["plugin": "\(plugin)", "reason": "\(catalog.reason(against: plugin) ?? "")"]
            )
        }
    }

    /// Once for each plugin that sites begin to wait for.
    private func warnOfMissingPlugins() {
        let missing = deployment.enabledPlugins.filter { running[$0] == nil }
        for plugin in missing.subtracting(missingPlugins).sorted() {
            let sites = deployment.sites(enabling: plugin).map(\.nickname.rawValue).joined(separator: " ")
            let reason = catalog.reason(against: plugin) ?? ""
            logger.error(
                "a plugin that sites enable can't be run; their items wait",
                metadata: ["plugin": "\(plugin)", "sites": "\(sites)", "reason": "\(reason)"]
            )
        }
        missingPlugins = missing
    }

    /// Enabled plugins without code get what the last scan found; what no site enables any more is let go.
    func adoptPlugins() {
        let enabled = deployment.enabledPlugins
        for plugin in running.keys where !enabled.contains(plugin) {
            running[plugin] = nil
            rollouts[plugin] = nil
            rolloutFailures[plugin] = nil
            rejected[plugin] = nil
        }
        for plugin in enabled where running[plugin] == nil {
            guard let code = catalog.loadable[plugin] else { continue }
            rolloutFailures[plugin] = configurationFault(plugin, code)
            guard rolloutFailures[plugin] == nil else { continue }
            running[plugin] = SpawnPlan.RunningPlugin(code: code, generation: nextGeneration(of: plugin))
        }
        warnOfMissingPlugins()
        warnOfIdleBreakouts()
    }

    func nextGeneration(of plugin: PluginName) -> Int {
        // In one process they share the count: its generation is that of the newest.
        let number = generations.next(of: plugin, isShared: deployment.config.workers.isolate == .group)
        do {
            try generations.save()
        } catch {
            logger.error("can't write generations.json", metadata: ["reason": "\(error)"])
        }
        return number
    }

    /// Starts what lacks, drains what is too much, tells the rest what changed.
    ///
    /// Returns whom it told.
    @discardableResult
    func reconcile() -> [ChildLink] {
        guard stop == nil else { return [] }
        deployment.settle(running.mapValues(\.code.descriptor))
        let plan = SpawnPlan(
            deployment,
            running: running,
            rolling: rollouts.mapValues(\.next),
            known: memory.known,
            stateDirectory: state.path
        )
        var wanted: [SlotID: RoleConfiguration] = [.broker: .broker(plan.broker)]
        if let console = plan.console {
            if !isAtOtherAddress(console) { wanted[.console] = .console(console) }
        } else {
            closeConsoleDoor()
        }
        let rolled = SpawnPlan.workers(
            rolling: rollouts.mapValues(\.next),
            among: running,
            deployment,
            stateDirectory: state.path
        ).filter(isWanted)
        let workers = (plan.workers + rolled + hunters).map(shuttingSites)
        for (id, worker) in places(of: workers) { wanted[id] = .worker(worker) }
        lingering = lingering(beside: wanted)
        for (id, worker) in lingering { wanted[id] = .worker(worker) }
        planned = Set(wanted.keys)
        for id in slots.keys where wanted[id] == nil { feed(.drain, to: id) }
        var told: [ChildLink] = []
        for (id, configuration) in wanted.sorted(by: { $0.key.startOrder < $1.key.startOrder }) {
            let isNew = slots[id] == nil
            addSlot(id)
            slots[id]?.machine.setSpawnDelay(deployment.config.queue.spawndelay)
            slots[id]?.configuration = configuration
            if isNew {
                perform(.spawn(after: .zero), on: id)
            } else if tell(id), let link = slots[id]?.process?.link {
                told.append(link)
            }
        }
        return told
    }

    /// A slot has shown whether it starts.
    ///
    /// Once all have, hostd is ready.
    func settle(_ id: SlotID) {
        guard !isAnnounced, unsettled.remove(id) != nil, unsettled.isEmpty, stop == nil else { return }
        guard !isTooLargeToRun else { return stopAsTooLarge() }
        isAnnounced = true
        guard deployment.config.queue.listen?.port == 0, let broker = slots[.broker]?.readyLink else {
            return announce(stompPort: nil)
        }
        broker.request("status", timeLimit: .seconds(5)).whenComplete { [inbox] result in
            inbox.put(.announce(stompPort: (try? result.get())?["listen"]?.int))
        }
    }

    /// `stompPort`: where the configuration says "any".
    func announce(stompPort: Int64?) {
        let workers = slots.values.filter { $0.id.role == .worker && $0.machine.isReady }.count
        let stomp = deployment.config.queue.listen.map {
            HostPort(host: $0.host, port: Int(stompPort ?? Int64($0.port)))
        }
        let console = deployment.config.console.listen.map { "console http://\($0)/" } ?? "no console"
        let parts = [
            Self.counted(deployment.sites.count, "site"), Self.counted(running.count, "plugin"),
            Self.counted(workers, "worker"), "STOMP on \(stomp?.description ?? state.path + "/stomp.sock")", console,
            Self.seconds(now),
        ]
        let line = parts.joined(separator: ", ")
        logger.info("hostd ready: \(line)")
        notify.ready(line)
    }

    static func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)" + (count == 1 ? "" : "s") }

    // 0.12 s
    static func seconds(_ duration: Duration) -> String {
        let hundredths = duration.wholeMilliseconds / 10
        return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100) s"
    }
}

extension SlotID {
    /// Broker, workers by plugin and number, console: what an item waits for first.
    fileprivate var startOrder: (Int, String, String, Int, Int) {
        (role == .broker ? 0 : role == .worker ? 1 : 2, plugin?.rawValue ?? "", unit, generation, index)
    }
}
