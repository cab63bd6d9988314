// SPDX-License-Identifier: Apache-2.0
import Control
import HostConfig
import Logging
import NIOCore
import PluginFiles
import QueueCore

/// Reload and restart: one at a time.
///
/// What is read, and what is taken of it, is in Supervisor+Update.
extension Supervisor {
    /// Anybody who may send may ask for updates of made-up sites, one after the other.
    private static let waitingLimit = 1000

    func ask(_ kind: ChangeRequest.Kind, reply: PendingReply? = nil) {
        let replies = reply.map { [$0] } ?? []
        guard stop == nil else {
            for reply in replies { reply.fail("hostd is stopping") }
            return
        }
        if let index = waitingChanges.firstIndex(where: { $0.kind == kind }) {
            waitingChanges[index].replies += replies
        } else if waitingChanges.count >= Self.waitingLimit {
            logger.warning("too many changes wait: one was left out", metadata: ["change": "\(kind)"])
            for reply in replies { reply.fail("too many changes wait already: try again in a moment") }
        } else {
            waitingChanges.append(ChangeRequest(kind: kind, replies: replies, askedAt: now))
        }
        beginNextChange()
    }

    /// A change that comes to nothing ends at once: a loop, so that a thousand of them are no tower of calls.
    private func beginNextChange() {
        guard !isBeginningChange else { return }
        isBeginningChange = true
        defer { isBeginningChange = false }
        while change == nil, stop == nil, !waitingChanges.isEmpty { begin(waitingChanges.removeFirst()) }
    }

    private func begin(_ asked: ChangeRequest) {
        var next = asked
        change = next
        notify.reloading()
        let reading = read(for: next)
        next.reading = reading
        change = next
        // Which plugins the sites would want, were all of them sound.
        let enabled = merged(reading).deployment.enabledPlugins
        let needsFiles = enabled.contains { running[$0] == nil && catalog.loadable[$0] == nil }
        guard next.kind == .restart || needsFiles else { return apply() }
        let (folder, copies) = (deployment.config.pluginsDir, state.path)
        Task { [inbox, options] in inbox.put(.scanned(await options.scan(folder, copies))) }
    }

    func scanned(_ found: PluginCatalog) {
        guard change != nil, stop == nil else { return }
        takeIn(found)
        apply()
    }

    /// What can be taken of the new configuration is in force from here on.
    private func apply() {
        guard let kind = change?.kind else { return }
        // A plugin that is rolled is judged by the file that is there now, one that runs on by its running code.
        var descriptors = knownDescriptors
        if kind == .restart { descriptors.merge(catalog.loadable.mapValues(\.descriptor)) { _, new in new } }
        guard takeConfiguration(descriptors) else { return }
        let before = Set(slots.keys)
        adoptPlugins()
        if kind == .restart { beginRollouts() }
        let told = reconcile()
        change?.isApplied = true
        if kind == .restart {
            finishRestartIfDone()
        } else {
            change?.awaited = Set(slots.keys.filter { $0.role != .console }).subtracting(before)
            // Who has answered after the new configuration has done what it says.
            let heard = told.map { $0.request("settle", timeLimit: .seconds(45)) }
            EventLoopFuture.andAllComplete(heard, on: loop).whenComplete { [inbox] _ in inbox.put(.updateHeard) }
        }
    }

    // MARK: New generations

    private func beginRollouts() {
        for plugin in running.keys.sorted() {
            guard let code = catalog.loadable[plugin] else {
                rolloutFailures[plugin] = catalog.reason(against: plugin)
                continue
            }
            // What has just been adopted is new already.
            guard slots.keys.contains(where: { $0.plugin == plugin }) else { continue }
            let next = SpawnPlan.RunningPlugin(code: code, generation: nextGeneration(of: plugin))
            let workers = SpawnPlan.workers(of: plugin, next, deployment, stateDirectory: state.path)
            guard !workers.isEmpty else { continue }
            rollouts[plugin] = Rollout(machine: RolloutStateMachine(workers: Set(workers.map(\.index))), next: next)
            logger.info("new generation starts", metadata: ["plugin": "\(plugin)", "generation": "\(next.generation)"])
        }
    }

    func perform(_ action: RolloutStateMachine.Action, for plugin: PluginName) {
        guard let rollout = rollouts.removeValue(forKey: plugin) else { return }
        let metadata: Logger.Metadata = ["plugin": "\(plugin)", "generation": "\(rollout.next.generation)"]
        switch action {
        case .drainOld:
            running[plugin] = rollout.next
            rolloutFailures[plugin] = nil
            logger.info("new generation works, the old one drains", metadata: metadata)
        case .dropNew:
            if case .undone(let reason) = rollout.machine.state { rolloutFailures[plugin] = reason }
            let reason = rolloutFailures[plugin] ?? ""
            logger.error(
                "new generation can't start, the old one goes on",
                metadata: metadata.merging(["reason": "\(reason)"]) { $1 }
            )
            for id in slots.keys where id.plugin == plugin && id.generation == rollout.next.generation {
                feed(.hurry, to: id, killReason: "its generation was undone")
            }
        }
        reconcile()
        finishRestartIfDone()
    }

    func finishRestartIfDone() {
        guard let change, change.kind == .restart, change.isApplied, rollouts.isEmpty else { return }
        do {
            let running = running.values.map(\.code.path) + catalog.loadable.values.map(\.path)
            try PluginCopy.prune(in: state.path, keeping: Set(running))
        } catch {
            logger.warning("old copies of plugins stay", metadata: ["reason": "\(error)"])
        }
        let failed = running.keys.sorted().compactMap { plugin in rolloutFailures[plugin].map { "\(plugin): \($0)" } }
        guard failed.isEmpty else {
            return finishChange { $0.fail("the old generation goes on: " + failed.joined(separator: "; ")) }
        }
        let generations = running.keys.sorted().map { "\($0) is generation \(running[$0]?.generation ?? 0)" }
        let what = generations.isEmpty ? "no plugin runs" : generations.joined(separator: ", ")
        conclude("restart: \(what), \(Self.seconds(now - change.askedAt))")
    }

    func finishChange(_ answer: (PendingReply) -> Void) {
        let done = change
        change = nil
        for reply in done?.replies ?? [] { answer(reply) }
        if isAnnounced { notify.ready("running") }
        beginNextChange()
    }

    /// A stop leaves nobody waiting.
    func abandonChanges() {
        let all = (change.map { [$0] } ?? []) + waitingChanges
        change = nil
        waitingChanges = []
        for reply in all.flatMap(\.replies) { reply.fail("hostd is stopping") }
    }
}
