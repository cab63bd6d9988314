// SPDX-License-Identifier: Apache-2.0
import Control
import HostConfig
import Logging
import PluginFiles
import QueueCore

/// Which code is rolled out next, and in whose place.
extension Supervisor {
    private enum Verdict {
        /// As it is.
        case keep
        /// What is rolled out lies in plugins.d no more, and what lies there isn't to be rolled out.
        case forget
        case roll(LoadablePlugin)
    }

    /// `ofChanged`: only plugins whose file isn't what runs, and wasn't found to be bad; else all that run.
    ///
    /// Returns those whose roll-out has begun.
    @discardableResult
    func beginRollouts(ofChanged: Bool) -> [PluginName] {
        hasBegunRollouts = true
        var next: [PluginName: LoadablePlugin] = [:]
        var ending: Set<PluginName> = []
        for plugin in running.keys.sorted() {
            switch verdict(on: plugin, ofChanged: ofChanged) {
            case .keep: break
            case .forget: ending.insert(plugin)
            case .roll(let code):
                next[plugin] = code
                if rollouts[plugin] != nil { ending.insert(plugin) }
            }
        }
        // Plugins that share a process roll together.
        if deployment.config.workers.isolate == .group, !next.isEmpty || !ending.isEmpty {
            for (plugin, rollout) in rollouts where ending.insert(plugin).inserted { next[plugin] = rollout.next.code }
        }
        if ending.contains(where: { rollouts[$0]?.machine.canGiveWay != true }) {
            // It will once it has handed over: then there is another look.
            if !waitingChanges.contains(where: { $0.kind == .files }) {
                waitingChanges.append(ChangeRequest(kind: .files, replies: [], askedAt: now))
            }
            return []
        }
        let given = rollouts.filter { ending.contains($0.key) }
        for plugin in ending.sorted() {
            guard let action = rollouts[plugin]?.machine.superseded() else { continue }
            perform(action, for: plugin)
        }
        return begin(next, after: given)
    }

    private func verdict(on plugin: PluginName, ofChanged: Bool) -> Verdict {
        guard let current = running[plugin] else { return .keep }
        let rolled = rollouts[plugin]
        guard let code = catalog.loadable[plugin] ?? (ofChanged ? nil : inheritedCode(of: plugin)) else {
            if !ofChanged { rolloutFailures[plugin] = catalog.reason(against: plugin) }
            return .keep
        }
        if ofChanged {
            if code == rolled?.next.code { return .keep }
            let isBack = code == current.code
            // The file is again what runs.
            if isBack { (rolloutFailures[plugin], rejected[plugin]) = (nil, nil) }
            if isBack || code == rejected[plugin] { return rolled?.machine.isOldAtWork == true ? .forget : .keep }
        }
        if let fault = configurationFault(plugin, code) {
            rolloutFailures[plugin] = fault
            logger.error(
                "a plugin's new file doesn't go with the configuration, the old code goes on",
                metadata: ["plugin": "\(plugin)", "reason": "\(fault)"]
            )
            return .keep
        }
        // What has just been adopted is new already.
        return slots.values.contains { $0.plugins.contains(plugin) } ? .roll(code) : .keep
    }

    /// What the sites' configuration has against this code; nil = nothing.
    func configurationFault(_ plugin: PluginName, _ code: LoadablePlugin) -> String? {
        deployment.pluginErrors([plugin: code.descriptor]).first.map(\.description)
    }

    /// `given`: roll-outs that gave way to these, which begin where those did.
    private func begin(_ codes: [PluginName: LoadablePlugin], after given: [PluginName: Rollout]) -> [PluginName] {
        let next = codes.sorted { $0.key < $1.key }.map { plugin, code in
            (plugin, SpawnPlan.RunningPlugin(code: code, generation: nextGeneration(of: plugin)))
        }
        let workers = SpawnPlan.workers(
            rolling: Dictionary(uniqueKeysWithValues: next),
            among: running,
            deployment,
            stateDirectory: state.path
        )
        return next.compactMap { plugin, code in
            begin(plugin, to: code, WorkerSet(of: plugin, among: workers), after: given[plugin]) ? plugin : nil
        }
    }

    private func begin(
        _ plugin: PluginName,
        to next: SpawnPlan.RunningPlugin,
        _ workers: WorkerSet,
        after given: Rollout?
    ) -> Bool {
        guard let current = given?.previous ?? running[plugin], !workers.isEmpty else { return false }
        let machine = RolloutStateMachine(
            side: workers.side,
            late: workers.late,
            isNewCode: next.code != current.code,
            isWatched: deployment.config.workers.canary > .zero
        )
        // By the time that there is a canary, what they have done until now is known.
        askVitals(of: plugin)
        var rollout = Rollout(machine: machine, next: next, previous: current, brokenSites: given?.brokenSites ?? [])
        rollout.ever = given?.ever ?? [:]
        for slot in slots.values where slot.runs(plugin, generation: current.generation) {
            rollout.brokenSites.formUnion(slot.process?.siteErrors.keys.map { $0 } ?? [])
        }
        rollouts[plugin] = rollout
        logger.info(
            "new generation starts",
            metadata: [
                "plugin": "\(plugin)", "generation": "\(next.generation)", "version": "\(next.code.descriptor.version)",
                "canary": "\(machine.canary.map { "\($0)" } ?? "none")",
            ]
        )
        return true
    }

    /// After a change of which workers there are, and before it is put into effect: no roll-out waits for one that won't
    /// come.
    func replanRollouts() {
        guard !rollouts.isEmpty else { return }
        let workers = SpawnPlan.workers(
            rolling: rollouts.mapValues(\.next),
            among: running,
            deployment,
            stateDirectory: state.path
        )
        let actions = rollouts.keys.sorted().map { plugin in
            let planned = WorkerSet(of: plugin, among: workers)
            return (plugin, rollouts[plugin]?.machine.replan(side: planned.side, late: planned.late))
        }
        for case (let plugin, let action?) in actions { perform(action, for: plugin) }
    }
}

/// A new generation's workers, in the order of their start: those that can stand beside the old ones, and those that can't.
private struct WorkerSet {
    let side: [SlotID]
    let late: [SlotID]

    var isEmpty: Bool { side.isEmpty && late.isEmpty }

    init(of plugin: PluginName, among workers: [WorkerConfiguration]) {
        let own = workers.filter { $0.members.contains { $0.plugin == plugin } }
        side = own.filter { !$0.hasSingleton }.map(\.slot)
        late = own.filter(\.hasSingleton).map(\.slot)
    }
}
