// SPDX-License-Identifier: Apache-2.0
import Control
import HostConfig
import Logging
import NIOCore
import QueueCore
import Telemetry

/// Processes: spawn, talk, watch, reap.
extension Supervisor {
    /// A worker that isn't ready by then hangs in its plugin's init, or in a site's; it ends itself a little earlier, and
    /// says where it hung.
    var startLimit: Duration { deployment.config.workers.startTimeout + .seconds(2) }

    func addSlot(_ id: SlotID) {
        guard slots[id] == nil else { return }
        slots[id] = Slot(id: id, spawnDelay: deployment.config.queue.spawndelay)
    }

    /// Lets the slot's state machine decide, and does what it says.
    func feed(_ input: SlotStateMachine.Input, to id: SlotID, killReason: String? = nil) {
        guard let action = slots[id]?.machine.handle(input) else { return }
        if action == .kill, slots[id]?.process?.killReason == nil { slots[id]?.process?.killReason = killReason }
        perform(action, on: id)
    }

    func perform(_ action: SlotStateMachine.Action, on id: SlotID) {
        switch action {
        case .spawn(let delay):
            slots[id]?.turn += 1
            guard let turn = slots[id]?.turn else { return }
            if delay == .zero { spawnDue(id, turn: turn) } else { after(delay, .spawnDue(id, turn: turn)) }
        case .sendDrain: sendDrain(id)
        case .kill:
            // Once reaped its pid is anybody's.
            if let process = slots[id]?.process, process.cause == nil { process.child.kill() }
        case .remove:
            slots[id] = nil
            // It may be wanted again by now; the console at another address.
            if planned.contains(id) || id == .console { reconcile() }
            settle(id)
            shown(id)
            removedForRenewal(id)
        }
    }

    func spawnDue(_ id: SlotID, turn: Int) {
        guard let slot = slots[id], slot.turn == turn, slot.machine.state == .waiting else { return }
        guard !isHandingOver else { return after(.milliseconds(50), .spawnDue(id, turn: turn)) }
        do {
            try spawn(id)
        } catch .listen(let reason) where !isAnnounced && id == .broker {
            brokerCannotStart("\(SupervisorError.listen(reason))")
        } catch {
            logger.error("can't start a process", metadata: ["process": "\(id)", "reason": "\(error)"])
            feed(.spawnFailed, to: id)
        }
    }

    private func spawn(_ id: SlotID) throws(SupervisorError) {
        var lock: FileLock?
        var inherited: [Int32] = []
        if id.role == .broker {
            lock = try state.takeBrokerLock()
            guard let held = lock else { return waitForLock(id, "the broker of an earlier hostd") }
            inherited = [held.descriptor] + (try openDoors().descriptors)
        } else if id.role == .console {
            inherited = openConsoleDoor().map { [$0.socket.descriptor] } ?? []
        } else if case .worker(let worker) = slots[id]?.configuration, worker.hasSingleton {
            lock = try state.takeSingletonLock(of: id)
            guard let held = lock else {
                return waitForLock(id, "the worker before it, as its queue may have one only")
            }
            inherited = [held.descriptor]
        }
        var arguments = ["--role", id.role.rawValue] + options.childArguments
        if id.role == .worker { arguments += ["--slot", id.argument] }
        let child = try ChildProcess.spawn(
            options.program,
            arguments: arguments,
            environment: ChildProcess.environment(of: id.role),
            inherited: inherited
        )
        withExtendedLifetime(lock) {}
        if id.role == .worker { child.offerToMemoryShortage() }
        lastSerial += 1
        let serial = ProcessSerial(number: lastSerial)
        slots[id]?.process = RunningProcess(serial: serial, child: child)
        slotOfProcess[serial] = id
        feed(.spawned, to: id)
        logger.info("process started", metadata: metadata(id, child.pid))
        openLink(to: child, serial)
    }

    func openLink(
        to child: ChildProcess,
        _ serial: ProcessSerial,
        _ remainder: ChildLink.Remainder = ChildLink.Remainder()
    ) {
        let inbox = inbox
        ChildLink.open(
            descriptor: child.descriptor,
            remainder: remainder,
            on: loop,
            receive: { inbox.put(.heard(serial, $0)) },
            lost: { inbox.put(.hungUp(serial)) }
        ).whenComplete { result in
            switch result {
            case .success(let link): inbox.put(.linked(serial, link))
            case .failure: inbox.put(.overdue(serial, .hang, why: "its channel could not be opened"))
            }
        }
    }

    /// The broker of a supervisor that was killed drains by itself; until it has ended the store is its own.
    ///
    /// A singleton's worker has its sites to itself in the same way.
    private func waitForLock(_ id: SlotID, _ holder: String) {
        if slots[id]?.isLockWaitLogged == false {
            logger.info("waiting for another process to end", metadata: metadata(id, nil, holder))
        }
        slots[id]?.isLockWaitLogged = true
        slots[id]?.turn += 1
        after(.milliseconds(50), .spawnDue(id, turn: slots[id]?.turn ?? 0))
    }

    func linked(_ serial: ProcessSerial, _ link: ChildLink) {
        guard let id = slotOfProcess[serial] else { return link.close() }
        slots[id]?.process?.link = link
        tell(id)
        if slots[id]?.machine.state == .draining { sendDrain(id) }
    }

    /// Sends the slot's configuration to its process, if that hasn't got it yet; true if it was sent.
    ///
    /// A worker's process starts beside the broker's, but it begins its work when there is a broker to work for.
    @discardableResult
    func tell(_ id: SlotID) -> Bool {
        guard let slot = slots[id], let process = slot.process, let link = process.link,
            let configuration = slot.configuration, process.told != configuration,
            id.role != .worker || process.told != nil || slots[.broker]?.machine.isReady == true, !isHandingOver
        else { return false }
        link.send(process.told.flatMap(configuration.change(since:)).map { .change($0) } ?? .configure(configuration))
        slots[id]?.process?.told = configuration
        if id.role == .worker, process.told == nil { limitStart(of: process.serial) }
        return true
    }

    func limitStart(of serial: ProcessSerial) {
        let why = "not ready within \(DurationText.format(startLimit))"
        after(startLimit, .overdue(serial, .hang, why: why))
    }

    private func sendDrain(_ id: SlotID) {
        guard let process = slots[id]?.process, let link = process.link else { return }
        // It waits for its configuration: nothing to finish.
        guard process.told != nil || process.wasReady else {
            return feed(.hurry, to: id, killReason: "it had not begun")
        }
        let limit = deployment.config.queue.drainTimeout
        link.send(.drain(timeoutMs: Int(clamping: limit.wholeMilliseconds)))
        logger.info("process drains", metadata: metadata(id, process.child.pid))
        // It is told the limit itself; the rest is for its last words.
        after(
            limit + .seconds(2),
            .overdue(process.serial, .hurry, why: "not drained within \(DurationText.format(limit))")
        )
    }

    func overdue(_ serial: ProcessSerial, _ input: SlotStateMachine.Input, why: String) {
        guard let id = slotOfProcess[serial], let slot = slots[id] else { return }
        // The time limit of a start, of a process that has started since.
        if input == .hang, slot.process?.link != nil, slot.machine.state != .starting { return }
        logger.warning("process takes too long", metadata: metadata(id, slot.process?.child.pid, why))
        feed(input, to: id, killReason: why)
    }

    func beat() {
        for (id, slot) in slots {
            guard let process = slot.process, let link = process.link, process.cause == nil else { continue }
            if let number = slots[id]?.process?.heartbeat.beat() {
                link.send(.ping(number))
            } else {
                let why = "silent for \((Heartbeat.interval * Heartbeat.limit).components.seconds) s"
                logger.warning("process hangs", metadata: metadata(id, process.child.pid, why))
                feed(.hang, to: id, killReason: why)
            }
        }
    }

    func heard(_ serial: ProcessSerial, _ message: ChildMessage) {
        guard let id = slotOfProcess[serial] else { return }
        slots[id]?.process?.heartbeat.heard()
        switch message {
        case .ready:
            feed(.ready(at: now), to: id)
            slots[id]?.startFailure = nil
            slots[id]?.process?.wasReady = true
            logger.info("process ready", metadata: metadata(id, slots[id]?.process?.child.pid))
            becameReady(id)
        case .pong(_, let vitals):
            slots[id]?.process?.vitals = vitals
            observeCanary(id, vitals)
        case .drained: logger.debug("process drained", metadata: metadata(id, slots[id]?.process?.child.pid))
        case .command(let name, let arguments): heardCommand(name, arguments)
        case .siteState(let site, let error):
            slots[id]?.process?.siteErrors[site] = error
            if slots[id]?.machine.isReady == true { endTrials(id) }
            guard let error else { return }
            logger.error(
                "site can't be opened",
                metadata: ["process": "\(id)", "site": "\(site)", "reason": "\(error)"]
            )
            siteFailed(site, id, error)
        case .hunters(let plugins): hunt(plugins)
        case .failed(let reason): slots[id]?.process?.failure = reason
        // Replies are the link's.
        case .reply: break
        }
    }

    private func becameReady(_ id: SlotID) {
        // Those that it takes over from may go.
        if !lingering.isEmpty { reconcile() }
        if id.role == .broker { slots.keys.filter { $0.role == .worker }.forEach { tell($0) } }
        endTrials(id)
        stepRollouts(rolling(id)) { $0.ready(id) }
        renewal(of: id, isReady: true)
        settle(id)
        shown(id)
        if slots[id]?.process?.isInherited == false { renewed(id) }
    }

    /// SIGCHLD: only our own pids are waited for; a probe is its runner's.
    func reap() {
        for (id, slot) in slots {
            guard let process = slot.process, process.cause == nil, let cause = process.child.reap() else { continue }
            slots[id]?.process?.cause = cause
            if process.isHungUp {
                ended(id)
            } else {
                // Its last words may still be on their way.
                after(.seconds(1), .endedLongAgo(process.serial))
            }
        }
    }

    func hungUp(_ serial: ProcessSerial) {
        guard let id = slotOfProcess[serial] else { return }
        slots[id]?.process?.isHungUp = true
        if slots[id]?.process?.cause != nil { ended(id) }
    }

    /// Reaped, and all that it said was heard.
    func ended(_ id: SlotID) {
        guard let process = slots[id]?.process, let cause = process.cause, let before = slots[id]?.machine.state else {
            return
        }
        slots[id]?.process = nil
        slotOfProcess[process.serial] = nil
        process.link?.close()
        ledger.retire(pid: process.child.pid)
        let text = process.causeText(cause)
        let isPlanned = before == .draining || before == .killed(isRefilled: false)
        logger.log(
            level: isPlanned && (cause.isClean || process.told == nil) ? .info : .warning,
            "process ended",
            metadata: metadata(id, process.child.pid, text)
        )
        if id.role == .worker {
            slots[.broker]?.process?.link?.send(.workerExited(pid: process.child.pid, cause: text))
        }
        if id.role == .worker, !isPlanned {
            let plugins = slots[id]?.pluginList ?? ""
            deaths[DeathKey(plugins: plugins, cause: cause.label), default: 0] += 1
        }
        let isTooLarge = id.role == .worker && cause == .exited(status: ExitStatus.memoryLimitPassed)
        // One that nobody wants any more is no sign of a bad generation.
        let rolled = isPlanned ? [] : rolling(id)
        if !isPlanned, !process.wasReady { slots[id]?.startFailure = text }
        endOpening(id, process, isPlanned: isPlanned, cause: text)
        // The next one says anew what there is to hunt.
        if id == .broker { hunt([]) }
        if id == .broker, !isAnnounced, let failure = process.failure, !isPlanned { return brokerCannotStart(failure) }
        feed(.ended(at: now), to: id)
        if isTooLarge, !isPlanned { bar(id, reason: process.failure ?? text) }
        stepRollouts(rolled) { $0.ended(cause: text) }
        renewal(of: id, isReady: false)
        if id != .broker { settle(id) }
        shown(id, endedBy: text)
        if !process.isInherited { renewed(id, failure: text) }
        if stop != nil { stepStop() }
    }
}
