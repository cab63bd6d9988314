// SPDX-License-Identifier: Apache-2.0
import Control
import HostConfig
import Logging
import PluginFiles
import QueueCore

/// New generations: what `RolloutStateMachine` decides is done here.
extension Supervisor {
    /// The canary, and those beside it, are asked so often how their deliveries ended.
    private static let canaryInterval = Duration.milliseconds(500)

    /// Something happened to a worker of these roll-outs: all of them hear of it before anything is started or drained
    /// for one of them.
    func stepRollouts(
        _ plugins: [PluginName],
        _ step: (inout RolloutStateMachine) -> RolloutStateMachine.Action?
    ) {
        var hasActed = false
        for plugin in plugins {
            guard var rollout = rollouts[plugin] else { continue }
            let action = step(&rollout.machine)
            rollouts[plugin] = rollout
            guard let action else { continue }
            perform(action, for: plugin)
            hasActed = true
        }
        guard hasActed else { return }
        reconcile()
        finishRolloutsIfDone()
        // A changed file may have waited for just this.
        beginNextChange()
    }

    /// Whether a new generation's worker is to be there now.
    func isWanted(_ worker: WorkerConfiguration) -> Bool {
        worker.members.allSatisfy { rollouts[$0.plugin]?.machine.wants(worker.slot) ?? true }
    }

    /// The caller reconciles.
    func perform(_ action: RolloutStateMachine.Action, for plugin: PluginName) {
        guard let rollout = rollouts[plugin] else { return }
        let metadata: Logger.Metadata = [
            "plugin": "\(plugin)", "generation": "\(rollout.next.generation)",
            "version": "\(rollout.next.code.descriptor.version)",
        ]
        switch action {
        case .watch:
            beginWatch(plugin, metadata)
        case .startRest:
            logger.info("the canary works, the rest of its generation starts", metadata: metadata)
        case .handOver:
            // Their last figures: the new workers have nobody beside them to be compared with.
            let last = oldOutcomes(of: plugin)
            _ = rollouts[plugin]?.baseline(last)
            running[plugin] = rollout.next
            logger.info("the old generation drains, then the new one serves its singleton queues", metadata: metadata)
        case .finish:
            rollouts[plugin] = nil
            running[plugin] = rollout.next
            (rolloutFailures[plugin], rejected[plugin]) = (nil, nil)
            logger.info("new generation works, the old one drains", metadata: metadata)
        case .giveWay:
            rollouts[plugin] = nil
            logger.info("new generation gives way to a newer file", metadata: metadata)
        case .dropNew:
            giveUp(plugin, rollout, metadata)
        case .startOld:
            // A number of its own: the old workers may not all have gone.
            running[plugin] = SpawnPlan.RunningPlugin(
                code: rollout.previous.code,
                generation: nextGeneration(of: plugin)
            )
            giveUp(plugin, rollout, metadata)
        }
    }

    private func giveUp(_ plugin: PluginName, _ rollout: Rollout, _ metadata: Logger.Metadata) {
        rollouts[plugin] = nil
        let isShared = deployment.config.workers.isolate == .group
        let others = isShared ? rollouts.filter { $0.value.machine.shares(rollout.machine) }.keys.sorted() : []
        let reason =
            switch rollout.machine.state {
            case .undone(let reason), .rolledBack(let reason): reason
            default: "no reason is known"
            }
        rolloutFailures[plugin] = reason
        for other in others { stepRollouts([other]) { $0.ended(cause: "\(plugin), in the same process: \(reason)") } }
        if rollout.next.code != rollout.previous.code { rejected[plugin] = rollout.next.code }
        logger.error(
            "new generation undone, the old code goes on",
            metadata: metadata.merging(["reason": "\(reason)"]) { $1 }
        )
    }

    /// Nothing rolls any more: whoever waited for it goes on.
    func finishRolloutsIfDone() {
        guard rollouts.isEmpty, stop == nil, restarting == nil || !renewNext() else { return }
        // A look at plugins.d that is under way makes copies that nobody knows of yet.
        if change == nil { pruneCopies() }
        answerRestart()
        beginNextChange()
    }

    private func pruneCopies() {
        do {
            let used = running.values.map(\.code.path) + catalog.loadable.values.map(\.path)
            try PluginCopy.prune(in: state.path, keeping: Set(used))
        } catch {
            logger.warning("old copies of plugins stay", metadata: ["reason": "\(error)"])
        }
    }

    private func answerRestart() {
        guard let done = restarting else { return }
        restarting = nil
        let hostd = isTakeover ? ["hostd is \(HostVersion.current)"] : []
        isTakeover = false
        let undone = running.keys.sorted().compactMap { plugin in rolloutFailures[plugin].map { "\(plugin): \($0)" } }
        let failed =
            (undone.isEmpty ? [] : ["the old code goes on: " + undone.joined(separator: "; ")]) + renewalFailures
        renewalFailures = []
        guard failed.isEmpty else {
            let line = failed.joined(separator: "; ")
            return done.replies.forEach { $0.fail(line) }
        }
        let generations = hostd + running.keys.sorted().map { "\($0) is generation \(running[$0]?.generation ?? 0)" }
        let what = generations.isEmpty ? "no plugin runs" : generations.joined(separator: ", ")
        done.replies.forEach(answer(to: done, "restart: \(what), \(Self.seconds(now - done.askedAt))"))
    }

    // MARK: The canary

    private func beginWatch(_ plugin: PluginName, _ metadata: Logger.Metadata) {
        guard let generation = rollouts[plugin]?.next.generation else { return }
        let limit = deployment.config.workers.canary
        let done = oldOutcomes(of: plugin)
        rollouts[plugin]?.start = done
        rollouts[plugin]?.watch += 1
        logger.info("the canary is ready and is watched", metadata: metadata)
        canaryBeat(plugin, generation)
        after(limit, .canaryOver(plugin, generation: generation, watch: rollouts[plugin]?.watch ?? 0))
    }

    /// Of the old generation's workers that live.
    private func oldOutcomes(of plugin: PluginName) -> [ProcessSerial: [QueueName: OutcomeTally]] {
        guard let generation = rollouts[plugin]?.previous.generation else { return [:] }
        var all: [ProcessSerial: [QueueName: OutcomeTally]] = [:]
        for slot in slots.values where slot.runs(plugin, generation: generation) && !slot.id.isHunter {
            if let process = slot.process { all[process.serial] = process.vitals?.outcomes ?? [:] }
        }
        return all
    }

    func canaryBeat(_ plugin: PluginName, _ generation: Int) {
        guard let rollout = rollouts[plugin], rollout.next.generation == generation, rollout.machine.isWatching else {
            return
        }
        askVitals(of: plugin)
        after(Self.canaryInterval, .canaryBeat(plugin, generation: generation))
    }

    /// Not a heart-beat: nobody counts these pings.
    func askVitals(of plugin: PluginName) {
        for slot in slots.values where slot.plugins.contains(plugin) { slot.readyLink?.send(.ping(0)) }
    }

    func observeCanary(_ id: SlotID, _ vitals: ChildVitals) {
        for plugin in rolling(id) where rollouts[plugin]?.machine.canary == id {
            let now = oldOutcomes(of: plugin)
            guard let baseline = rollouts[plugin]?.baseline(now) else { continue }
            stepRollouts([plugin]) { $0.observed(vitals.outcomes, against: baseline) }
        }
    }

    func canaryOver(_ plugin: PluginName, _ generation: Int, watch: Int) {
        guard let rollout = rollouts[plugin], (rollout.next.generation, rollout.watch) == (generation, watch) else {
            return
        }
        stepRollouts([plugin]) { $0.timeUp() }
    }

    func siteFailed(_ site: SiteName, _ id: SlotID, _ error: String) {
        stepRollouts(rolling(id).filter { rollouts[$0]?.brokenSites.contains(site) == false }) {
            $0.siteFailed("site \(site) can't be opened: \(error)")
        }
    }
}
