// SPDX-License-Identifier: Apache-2.0
import Control
import HostConfig
import Logging
import QueueCore
import WorkerLink

/// Takes over from an earlier image of this process, and replaces the children that it left.
extension Supervisor {
    /// Children are what they were: nothing is started for them.
    func adopt(_ handover: Handover) {
        running = handover.running
        for (plugin, code) in running { generations.note(code.generation, of: plugin) }
        doors = handover.doors
        doorsAddress = handover.listen
        consoleDoor = handover.console
        deaths = handover.deaths ?? [:]
        ledger = handover.ledger ?? ledger
        linkChanged = handover.linkVersion != Int(LinkHello.protocolVersion)
        let unanswered = handover.control.connections.flatMap(\.unanswered)
        restartsToJoin = unanswered.filter { $0.command == "restart" }.count
        for child in handover.children { adopt(child) }
        fillIn()
        hunts.set(Set(handover.hunted ?? []), at: now)
        troubles = handover.troubles ?? troubles
        logger.info(
            "hostd goes on as another version",
            metadata: ["from": "\(handover.version)", "to": "\(HostVersion.current)", "processes": "\(slots.count)"]
        )
        // From here on it is a restart like any other.
        change = ChangeRequest(
            kind: .restart,
            replies: [],
            askedAt: now - .milliseconds(handover.askedMsAgo)
        )
        isTakeover = true
        isAnnounced = true
    }

    private func adopt(_ child: Handover.Child) {
        // How often it was replaced for its memory counts anew; where two are in one place, the second goes.
        var slot = child.slot
        slot.renewal = 0
        if slots[slot] != nil { slot = child.slot }
        lastSerial += 1
        let serial = ProcessSerial(number: lastSerial)
        let process = ChildProcess(pid: child.pid, descriptor: child.descriptor ?? -1)
        addSlot(slot)
        slots[slot]?.machine = SlotStateMachine(
            state: SlotStateMachine.State(child.state, now: now),
            spawnDelay: deployment.config.queue.spawndelay
        )
        slots[slot]?.machine.isExpendable = slot.isHunter
        var running = RunningProcess(serial: serial, child: process)
        running.isInherited = true
        running.version = child.version
        running.wasReady = child.wasReady ?? (child.state == .ready)
        running.told = child.told.flatMap { try? $0.decoded(as: RoleConfiguration.self) }
        running.siteErrors = child.siteErrors
        running.isHungUp = child.descriptor == nil
        slots[slot]?.configuration = running.told
        slots[slot]?.process = running
        slotOfProcess[serial] = slot
        if child.descriptor != nil { openLink(to: process, serial, child.remainder) }
        if child.state == .starting { limitStart(of: serial) }
    }

    /// Where another version wrote what a worker was told, it may not be readable: then it is what it would be told now.
    private func fillIn() {
        let plan = SpawnPlan(deployment, running: running, known: memory.known, stateDirectory: state.path)
        for worker in plan.workers where slots[.worker(worker)]?.configuration == nil {
            slots[.worker(worker)]?.configuration = .worker(worker)
        }
    }

    /// Once the control socket is open, and plugins.d was looked through.
    func takeOver() {
        guard let change else { return }
        let reading = read(for: change)
        self.change?.reading = reading
        apply()
        // Whoever ended during the exec.
        reap()
    }

    /// Before the roll-outs of a restart.
    func planTakeover() {
        let hasInherited = slots.values.contains { $0.process?.isInherited == true }
        hasBegunRollouts = false
        takeover = hasInherited ? TakeoverSequence(linkChanged: linkChanged) : nil
    }

    /// The code of a plugin that has no good file now, but workers of an earlier hostd.
    func inheritedCode(of plugin: PluginName) -> LoadablePlugin? {
        let isInherited = slots.values.contains { $0.plugins.contains(plugin) && $0.process?.isInherited == true }
        return isInherited ? running[plugin]?.code : nil
    }

    /// The next step of the renewal, if there is one; false once nothing is left to wait for.
    func renewNext() -> Bool {
        while let step = takeover?.step {
            switch step {
            case .workers:
                if !hasBegunRollouts {
                    beginRollouts(ofChanged: false)
                    reconcile()
                    stepRollouts(rollouts.keys.sorted()) { $0.firstAction }
                }
                guard rollouts.isEmpty else { return true }
                if hasFailedRollout {
                    logger.error("workers of the earlier hostd go on, and so do its console and broker")
                    takeover = nil
                    return false
                }
            case .console: if renew(.console) { return true }
            case .broker: if renew(.broker) { return true }
            }
            takeover?.finish(step)
        }
        return false
    }

    private var hasFailedRollout: Bool {
        slots.values.contains { slot in
            slot.process?.isInherited == true && slot.machine.isReady
                && slot.plugins.contains { rolloutFailures[$0] != nil }
        }
    }

    /// True while it is at work.
    private func renew(_ id: SlotID) -> Bool {
        if renewing == id { return true }
        guard slots[id]?.process?.isInherited == true else { return false }
        renewing = id
        feed(.drain, to: id)
        return renewing == id
    }

    /// The old process's slot is gone: a new one takes its place, unless the configuration wants none any more.
    func removedForRenewal(_ id: SlotID) {
        guard renewing == id else { return }
        reconcile()
        if slots[id] == nil { renewed(id) }
    }

    /// A new process works, or has shown that it can't.
    func renewed(_ id: SlotID, failure: String? = nil) {
        guard renewing == id else { return }
        renewing = nil
        if let failure { renewalFailures.append("\(id): \(failure)") }
        finishRolloutsIfDone()
    }
}

extension SlotStateMachine.State {
    init(_ state: Handover.State, now: Duration) {
        switch state {
        case .starting: self = .starting
        case .ready: self = .ready(since: now)
        case .draining: self = .draining
        // What nobody wants any more is drained before it could be refilled.
        case .killed: self = .killed(isRefilled: true)
        }
    }

    /// nil without a process.
    var handed: Handover.State? {
        switch self {
        case .starting: .starting
        case .ready: .ready
        case .draining: .draining
        case .killed: .killed
        case .waiting, .dead: nil
        }
    }
}
