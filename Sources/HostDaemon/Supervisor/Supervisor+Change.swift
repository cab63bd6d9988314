// SPDX-License-Identifier: Apache-2.0
import Control
import HostConfig
import Logging
import NIOCore
import PluginFiles
import QueueCore

/// Reload, restart and changed plugin files: one at a time, all or nothing.
extension Supervisor {
    func ask(_ kind: ChangeRequest.Kind, reply: PendingReply? = nil) {
        let replies = reply.map { [$0] } ?? []
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

    func beginNextChange() {
        // An update doesn't wait for roll-outs; what starts new ones does.
        let isRolling = !rollouts.isEmpty || restarting != nil
        guard change == nil, stop == nil,
            let index = waitingChanges.firstIndex(where: { !isRolling || !$0.kind.rollsOut })
        else { return }
        var next = waitingChanges.remove(at: index)
        if next.kind == .files { next.deployment = deployment }
        change = next
        guard next.kind != .files else { return scan(deployment) }
        notify.reloading()
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
        scan(next.deployment ?? deployment)
    }

    private func scan(_ deployment: Deployment) {
        let (folder, copies) = (deployment.config.pluginsDir, state.path)
        Task { [inbox, options] in inbox.put(.scanned(await options.scan(folder, copies))) }
    }

    /// Looks after the plugins_dir that is in force.
    func watchPlugins() {
        let folder = deployment.config.pluginsDir
        guard watch?.directory != folder else { return }
        watch = nil
        do {
            watch = try PluginWatch(
                folder,
                unfinished: { [inbox] in inbox.put(.pluginsUnfinished($0)) },
                settled: { [inbox] in inbox.put(.pluginsChanged) }
            )
        } catch {
            logger.warning("\(error)")
        }
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
    private func apply() {
        guard let change, let next = change.deployment else { return }
        // A plugin that is rolled is judged by the file that is there now, one that runs on by its running code.
        var descriptors = knownDescriptors
        if change.kind == .restart { descriptors.merge(catalog.loadable.mapValues(\.descriptor)) { _, new in new } }
        if change.kind != .files {
            // With changed files it is the other way round: each is judged by the configuration in force.
            let errors = next.pluginErrors(descriptors)
            guard errors.isEmpty else { return refuse(errors.map(\.description)) }
            configErrors = []
            deployment = next
            watchPlugins()
        }
        adoptPlugins()
        if change.kind.rollsOut { beginRollouts(ofChanged: change.kind == .files) }
        let told = reconcile()
        retrySites()
        switch change.kind {
        case .update:
            // A child that has answered after the new configuration has taken it in.
            let heard = told.map { $0.request("ping", timeLimit: .seconds(10)) }
            EventLoopFuture.andAllComplete(heard, on: loop).whenComplete { [inbox] _ in inbox.put(.updateHeard) }
        case .restart:
            restarting = change
            finishChange { _ in }
        case .files:
            finishChange { _ in }
        }
        stepRollouts(rollouts.keys.sorted()) { $0.firstAction }
        finishRolloutsIfDone()
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

    private func finishChange(_ answer: (PendingReply) -> Void) {
        let done = change
        change = nil
        for reply in done?.replies ?? [] { answer(reply) }
        if isAnnounced { notify.ready("running") }
        beginNextChange()
    }

    /// A stop leaves nobody waiting.
    func abandonChanges() {
        let all = [change, restarting].compactMap(\.self) + waitingChanges
        change = nil
        restarting = nil
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
