// SPDX-License-Identifier: Apache-2.0
import Control
import HostConfig
import Logging
import NIOCore
import PluginFiles
import QueueCore

/// Reload, restart and changed plugin files: one at a time.
///
/// What is read, and what is taken of it, is in Supervisor+Update; new generations are in Supervisor+Rollout.
extension Supervisor {
    /// Anybody who may send may ask for updates of made-up sites, one after the other.
    private static let waitingLimit = 1000

    func ask(_ kind: ChangeRequest.Kind, reply: PendingReply? = nil) {
        let replies = reply.map { [$0] } ?? []
        // Asked of the earlier image, which is what this one's restart comes of.
        if isTakeover, kind == .restart, restartsToJoin > 0 {
            restartsToJoin -= 1
            restarting?.replies += replies
            return
        }
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
    func beginNextChange() {
        guard !isBeginningChange else { return }
        isBeginningChange = true
        defer { isBeginningChange = false }
        while change == nil, stop == nil, let next = takeNextChange() { begin(next) }
    }

    private func takeNextChange() -> ChangeRequest? {
        waitingChanges.firstIndex { mayBegin($0.kind) }.map { waitingChanges.remove(at: $0) }
    }

    /// An update doesn't wait for roll-outs, a restart does; a changed file takes the place of what isn't proven yet.
    private func mayBegin(_ kind: ChangeRequest.Kind) -> Bool {
        switch kind {
        case .update: true
        case .restart: rollouts.isEmpty && restarting == nil
        case .files: !isTakeover && takeover?.step == nil && rollouts.values.allSatisfy(\.machine.canGiveWay)
        }
    }

    private func begin(_ asked: ChangeRequest) {
        change = asked
        guard asked.kind != .files else { return scan() }
        notify.reloading()
        if asked.kind == .restart, tryNewExecutable() { return }
        readForChange()
    }

    /// hostd itself stays what it is.
    func readForChange() {
        guard let asked = change, stop == nil else { return }
        let reading = read(for: asked)
        change?.reading = reading
        // Which plugins the sites would want, were all of them sound.
        let enabled = merged(reading).deployment.enabledPlugins
        let needsFiles = enabled.contains { running[$0] == nil && catalog.loadable[$0] == nil }
        if asked.kind == .restart || needsFiles { scan() } else { apply() }
    }

    private func scan() {
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

    func scanned(_ found: PluginCatalog) {
        guard change != nil, stop == nil else { return }
        takeIn(found)
        apply()
    }

    /// What can be taken of the new configuration is in force from here on.
    func apply() {
        guard let kind = change?.kind else { return }
        // A plugin that is rolled is judged by the file that is there now, one that runs on by its running code.
        var descriptors = knownDescriptors
        if kind == .restart { descriptors.merge(catalog.loadable.mapValues(\.descriptor)) { _, new in new } }
        // With changed files it is the other way round: each is judged by the configuration in force.
        guard kind == .files || takeConfiguration(descriptors) else { return }
        let before = Set(slots.keys)
        adoptPlugins()
        replanRollouts()
        if kind == .restart { planTakeover() }
        // Where the broker is replaced first, the workers' turn is after it.
        let begun = kind.rollsOut && takeover?.step != .broker ? beginRollouts(ofChanged: kind == .files) : []
        let told = reconcile()
        change?.isApplied = true
        let awaited = Set(slots.keys.filter { $0.role != .console }).subtracting(before)
        change?.awaited = awaited
        if case .update = kind {
            let replaced = replacing(awaited, among: before)
            change?.replaced = replaced
        }
        retrySites()
        switch kind {
        case .update:
            // Who has answered after the new configuration has done what it says.
            let heard = told.map { $0.request("settle", timeLimit: .seconds(45)) }
            EventLoopFuture.andAllComplete(heard, on: loop).whenComplete { [inbox] _ in inbox.put(.updateHeard) }
        case .restart:
            restarting = change
            finishChange { _ in }
        case .files:
            finishChange { _ in }
        }
        stepRollouts(begun) { $0.firstAction }
        finishRolloutsIfDone()
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
        let all = [change, restarting].compactMap(\.self) + waitingChanges
        change = nil
        restarting = nil
        waitingChanges = []
        for reply in all.flatMap(\.replies) { reply.fail("hostd is stopping") }
    }
}
