// SPDX-License-Identifier: Apache-2.0
import Control
import HostConfig
import Logging
import NIOCore
import PluginFiles
import QueueCore

/// Reload and restart: one at a time, all or nothing.
extension Supervisor {
    func ask(_ kind: ChangeRequest.Kind, reply: PendingReply? = nil) {
        let replies = reply.map { [$0] } ?? []
        // Asked of the earlier image, which is what this one's restart comes of.
        if isTakeover, kind == .restart, restartsToJoin > 0, change?.kind == .restart {
            restartsToJoin -= 1
            change?.replies += replies
            return
        }
        guard stop == nil else {
            for reply in replies { reply.fail("hostd is stopping") }
            return
        }
        if let index = waitingChanges.firstIndex(where: { $0.kind == kind }) {
            waitingChanges[index].replies += replies
        } else {
            waitingChanges.append(ChangeRequest(kind: kind, replies: replies, askedAt: now))
        }
        beginNextChange()
    }

    private func beginNextChange() {
        guard change == nil, stop == nil, !waitingChanges.isEmpty else { return }
        change = waitingChanges.removeFirst()
        notify.reloading()
        if change?.kind == .restart, tryNewExecutable() { return }
        readForChange()
    }

    func readForChange() {
        guard var next = change else { return }
        do {
            let read = try Deployment.load(options.configPath, threads: options.threads)
            next.deployment = try taken(read, for: next.kind)
            change = next
        } catch let error as ChangeError {
            return finishChange { $0.fail("\(error)") }
        } catch {
            return refuse(error.lines)
        }
        let needsFiles = next.deployment?.enabledPlugins.contains { running[$0] == nil && catalog.loadable[$0] == nil }
        guard next.kind == .restart || needsFiles == true else { return apply() }
        let (folder, copies) = (next.deployment?.config.pluginsDir ?? deployment.config.pluginsDir, state.path)
        Task { [inbox, options] in inbox.put(.scanned(await options.scan(folder, copies))) }
    }

    /// What was read, checked as far as it can be before the plugins' files are looked at.
    private func taken(_ read: Deployment, for kind: ChangeRequest.Kind) throws -> Deployment {
        var read = read
        if case .update(let site?) = kind, !read.sites.contains(where: { $0.isCalled(site) }),
            !deployment.sites.contains(where: { $0.isCalled(site) })
        {
            throw ChangeError.noSuchSite(site, folder: read.config.sitesDir)
        }
        if read.config.stateDir != deployment.config.stateDir {
            logger.warning("a changed state_dir waits for a restart of hostd itself")
            read.config.stateDir = deployment.config.stateDir
        }
        return read
    }

    func scanned(_ found: PluginCatalog) {
        guard change != nil, stop == nil else { return }
        takeIn(found)
        apply()
    }

    /// The new configuration is in force from here on, or not at all.
    func apply() {
        guard let change, let next = change.deployment else { return }
        // A plugin that is rolled is judged by the file that is there now, one that runs on by its running code.
        var descriptors = knownDescriptors
        if change.kind == .restart { descriptors.merge(catalog.loadable.mapValues(\.descriptor)) { _, new in new } }
        let errors = next.pluginErrors(descriptors)
        guard errors.isEmpty else { return refuse(errors.map(\.description)) }
        configErrors = []
        deployment = next
        adoptPlugins()
        if change.kind == .restart {
            planTakeover()
            hasBegunRollouts = false
            if takeover?.step != .broker { beginRollouts() }
        }
        let told = reconcile()
        if change.kind == .restart {
            finishRestartIfDone()
        } else {
            // A child that has answered after the new configuration has taken it in.
            let heard = told.map { $0.request("ping", timeLimit: .seconds(10)) }
            EventLoopFuture.andAllComplete(heard, on: loop).whenComplete { [inbox] _ in inbox.put(.updateHeard) }
        }
    }

    private func refuse(_ lines: [String]) {
        configErrors = lines
        for line in lines {
            logger.error("configuration not taken, the old one stays in force", metadata: ["reason": "\(line)"])
        }
        let others = lines.count > 1 ? " (and \(Self.counted(lines.count - 1, "more error")), see the log)" : ""
        finishChange { $0.fail((lines.first ?? "unknown error") + others) }
    }

    func finishUpdate() {
        guard let change, case .update(let site) = change.kind else { return }
        let sites = site.map { name in deployment.sites.filter { $0.isCalled(name) } } ?? deployment.sites
        let plugins = Set(sites.flatMap(\.enabledPlugins))
        let queues = plugins.compactMap { running[$0]?.code.descriptor.handlers.count }.reduce(0, +)
        let what =
            site != nil && sites.isEmpty
            ? "the site is gone; its items wait"
            : "\(Self.counted(plugins.count, "plugin")), \(Self.counted(queues, "queue"))"
        let subject = site ?? Self.counted(sites.count, "site")
        let text = "update \(subject): \(what), \(Self.seconds(now - change.askedAt))"
        logger.info("configuration taken", metadata: ["change": "\(text)"])
        let members: [String: JSONValue] = ["plugins": JSONValue(plugins.count), "queues": JSONValue(queues)]
        finishChange { $0.succeed(text: text, members) }
    }

    // MARK: New generations

    func beginRollouts() {
        hasBegunRollouts = true
        var next: [PluginName: SpawnPlan.RunningPlugin] = [:]
        for plugin in running.keys.sorted() {
            guard let code = catalog.loadable[plugin] ?? inheritedCode(of: plugin) else {
                rolloutFailures[plugin] = catalog.reason(against: plugin)
                continue
            }
            // What has just been adopted is new already.
            guard slots.values.contains(where: { $0.plugins.contains(plugin) }) else { continue }
            next[plugin] = SpawnPlan.RunningPlugin(code: code, generation: nextGeneration(of: plugin))
        }
        let workers = SpawnPlan.workers(rolling: next, among: running, deployment, stateDirectory: state.path)
        for (plugin, code) in next.sorted(by: { $0.key < $1.key }) {
            let slots = workers.filter { $0.members.contains { $0.plugin == plugin } }.map { SlotID.worker($0) }
            guard !slots.isEmpty else { continue }
            rollouts[plugin] = Rollout(machine: RolloutStateMachine(workers: Set(slots)), next: code)
            logger.info("new generation starts", metadata: ["plugin": "\(plugin)", "generation": "\(code.generation)"])
        }
    }

    /// The caller reconciles.
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
            for (id, slot) in slots where slot.runs(plugin, generation: rollout.next.generation) {
                feed(.hurry, to: id, killReason: "its generation was undone")
            }
        }
    }

    func finishRestartIfDone() {
        guard let change, change.kind == .restart, change.deployment != nil, rollouts.isEmpty, !renewNext()
        else { return }
        do {
            let running = running.values.map(\.code.path) + catalog.loadable.values.map(\.path)
            try PluginCopy.prune(in: state.path, keeping: Set(running))
        } catch {
            logger.warning("old copies of plugins stay", metadata: ["reason": "\(error)"])
        }
        let undone = running.keys.sorted().compactMap { plugin in rolloutFailures[plugin].map { "\(plugin): \($0)" } }
        let goesOn = undone.isEmpty ? [] : ["the old generation goes on: " + undone.joined(separator: "; ")]
        let failed = goesOn + renewalFailures
        renewalFailures = []
        guard failed.isEmpty else { return finishChange { $0.fail(failed.joined(separator: "; ")) } }
        let hostd = isTakeover ? ["hostd is \(HostVersion.current)"] : []
        let generations = hostd + running.keys.sorted().map { "\($0) is generation \(running[$0]?.generation ?? 0)" }
        let what = generations.isEmpty ? "no plugin runs" : generations.joined(separator: ", ")
        let text = "restart: \(what), \(Self.seconds(now - change.askedAt))"
        finishChange { $0.succeed(text: text) }
    }

    func finishChange(_ answer: (PendingReply) -> Void) {
        let done = change
        change = nil
        isTakeover = false
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

private enum ChangeError: Error, CustomStringConvertible {
    case noSuchSite(String, folder: String)

    var description: String {
        switch self {
        case .noSuchSite(let site, let folder): "there is no site \(site) in \(folder), and there was none before"
        }
    }
}

extension SiteConfig {
    /// By its nickname or by its server's name, as the original's queuectl knew them.
    func isCalled(_ name: String) -> Bool { nickname.rawValue == name || server == name }
}
