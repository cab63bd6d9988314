// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import HostConfig
import Logging
import NIOCore
import NIOPosix
import WorkerLink

/// A restart that finds another executable: it is tried, then this process goes on as it (docs/decisions/0009).
extension Supervisor {
    /// Half a minute of looks, each 50 ms after the last.
    private static let mostLooks = 600

    /// Whether the restart is about hostd itself: then `tried` goes on with it.
    func tryNewExecutable() -> Bool {
        guard let executable = options.executable, let next = executable.replacement else { return false }
        logger.info("hostd's executable has changed: it is tried", metadata: ["path": "\(executable.path)"])
        let trial = ExecutableTrial(path: executable.path, arguments: options.trialArguments)
        Task { [inbox] in
            do {
                inbox.put(.tried(next, try await NIOThreadPool.singleton.runIfActive { trial.run() }))
            } catch {
                inbox.put(.tried(next, .refused(reason: "\(error)")))
            }
        }
        return true
    }

    func tried(_ identity: ExecutableFile.Identity, _ verdict: ExecutableTrial.Verdict) {
        guard change?.kind == .restart, stop == nil else { return }
        switch verdict {
        case .refused(let reason): keepExecutable(reason)
        case .canTakeOver(let version):
            // It has been replaced again meanwhile, or put back.
            guard options.executable?.replacement == identity else {
                if !tryNewExecutable() { readForChange() }
                return
            }
            logger.info("hostd re-executes", metadata: ["version": "\(version)"])
            handOverWhenQuiet()
        }
    }

    private func keepExecutable(_ reason: String) {
        let path = options.executable?.path ?? ""
        logger.error(
            "hostd's new executable can't take over, the old one goes on",
            metadata: ["path": "\(path)", "reason": "\(reason)"]
        )
        finishChange { $0.fail("hostd's new executable can't take over, the old one goes on: \(path): \(reason)") }
    }

    /// When every child's line is open, and the broker has answered what was passed on to it: that isn't asked twice.
    func handOverWhenQuiet(look: Int = 0) {
        guard change?.kind == .restart, stop == nil else { return }
        let isOpening = slots.values.contains { slot in
            slot.process.map { $0.link == nil && !$0.isHungUp && $0.cause == nil } ?? false
        }
        guard !isOpening, forwarded == 0 || look >= Self.mostLooks else {
            return after(.milliseconds(50), .handOverDue(look: look + 1))
        }
        guard let control else { return keepExecutable("the control socket isn't open") }
        isHandingOver = true
        let links = slots.values.compactMap(\.process).compactMap { process in
            process.link.map { (process.serial, $0.handOver()) }
        }
        Task { [inbox] in
            let handed = await control.handOver()
            var remainders: [ProcessSerial: ChildLink.Remainder] = [:]
            for (serial, remainder) in links { remainders[serial] = try? await remainder.get() }
            inbox.put(.frozen(remainders, handed))
        }
    }

    /// Nothing is read any more; now no signal either.
    ///
    /// What came before is in the inbox, before `handOverNow`.
    func frozen(_ remainders: [ProcessSerial: ChildLink.Remainder], _ handed: ControlServer.Handed) {
        options.signals?.stop()
        inbox.put(.handOverNow(remainders, handed))
    }

    /// Doesn't return where the exec succeeds.
    func handOverNow(_ remainders: [ProcessSerial: ChildLink.Remainder], _ handed: ControlServer.Handed) {
        var failure: Handover.Failure?
        if stop == nil, let executable = options.executable {
            // Their last words, if any, are lost: they have ended.
            for (id, slot) in slots where slot.process?.cause != nil { ended(id) }
            failure = handover(remainders, handed).execute(executable.path, arguments: options.commandLine)
        }
        isHandingOver = false
        for slot in slots.values { slot.process?.link?.resume() }
        control?.resume()
        options.signals?.start()
        for event in postponed { inbox.put(event) }
        postponed = []
        // For what nobody was told meanwhile.
        reconcile()
        if let failure { keepExecutable("\(failure)") }
    }

    private func handover(
        _ remainders: [ProcessSerial: ChildLink.Remainder],
        _ handed: ControlServer.Handed
    ) -> Handover {
        let children = slots.values.compactMap { slot -> Handover.Child? in
            guard let process = slot.process, let state = slot.machine.state.handed else { return nil }
            var child = Handover.Child(slot: slot.id, pid: process.child.pid, state: state, version: process.version)
            if let remainder = remainders[process.serial], !process.isHungUp {
                child.descriptor = process.child.descriptor
                child.remainder = remainder
            }
            child.told = process.told.flatMap { try? JSONValue(encoding: $0) }
            child.siteErrors = process.siteErrors
            child.wasReady = process.wasReady
            return child
        }
        var handover = Handover(
            pid: getpid(),
            version: HostVersion.current,
            linkVersion: Int(LinkHello.protocolVersion),
            stateDirectory: state.path,
            lock: state.lockDescriptor,
            doors: doors,
            control: handed,
            children: children,
            running: running,
            askedMsAgo: Int(clamping: (now - (change?.askedAt ?? now)).wholeMilliseconds)
        )
        handover.foreign = options.foreignDescriptors
        handover.listen = doorsAddress
        handover.console = consoleDoor
        handover.deaths = deaths
        handover.ledger = ledger
        handover.hunted = hunts.hunted.sorted()
        handover.troubles = troubles.untried
        return handover
    }
}
