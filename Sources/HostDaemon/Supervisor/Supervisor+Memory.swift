// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import HostConfig
import Logging
import QueueCore

/// Workers that grow: past the soft limit they give way to a fresh one, past the hard one they are ended.
///
/// Looked at from outside, so that one that hangs is seen too; often, so that few get from one limit to the other unseen.
extension Supervisor {
    static let memoryInterval = Duration.seconds(1)

    func lookAtMemory() {
        guard stop == nil else { return }
        let limits = deployment.memoryLimits
        for (id, slot) in slots where id.role == .worker {
            guard let process = slot.process, process.cause == nil, process.killReason == nil,
                let bytes = options.residentBytes(process.child.pid).map(Int64.init)
            else { continue }
            if bytes > limits.hard.bytes {
                let why = "its memory was \(Figures.bytes(bytes)), past workers.memory_limit (\(limits.hard))"
                logger.warning("process is too large", metadata: metadata(id, process.child.pid, why))
                growth.note(slot.pluginList, at: now)
                feed(.hang, to: id, killReason: why)
            } else if bytes > limits.soft.bytes {
                let why =
                    "its memory is \(Figures.bytes(bytes)), past queue.softlimit "
                    + "(\(Figures.bytes(limits.soft.bytes)))"
                replace(id, why: why)
            }
        }
    }

    private func replace(_ id: SlotID, why: String) {
        guard let slot = slots[id], case .ready(let since) = slot.machine.state,
            renewals[id.place, default: Renewals()].current == id.renewal, rolling(id).isEmpty
        else { return }
        let now = now
        guard
            renewals[id.place, default: Renewals()].begin(
                endsFirst: slot.servesSingleton,
                livedFor: now - since,
                now: now
            )
        else { return }
        growth.note(slot.pluginList, at: now)
        logger.info("a fresh process takes this one's place", metadata: metadata(id, slot.process?.child.pid, why))
        reconcile()
    }

    /// Puts each worker into the slot that its place has come to, and beside it the one that is to follow.
    func places(of workers: [WorkerConfiguration]) -> [SlotID: WorkerConfiguration] {
        var wanted: [SlotID: WorkerConfiguration] = [:]
        var kept: [SlotID: Renewals] = [:]
        for worker in workers {
            let place = SlotID.worker(worker)
            kept[place] = renewals[place]
            for renewal in renewals[place]?.wanted ?? [0] { wanted[place.renewed(renewal)] = worker }
        }
        renewals = kept
        barred = barred.filter { wanted[$0.key] == $0.value.configuration }
        return wanted.filter { barred[$0.key] == nil }
    }

    func renewal(of id: SlotID, isReady: Bool) {
        guard let current = renewals[id.place]?.current else { return }
        let event: ReplacementStateMachine.Event
        switch (id.renewal - current, isReady) {
        case (0, false): event = .oldEnded
        case (1, true): event = .newReady
        case (1, false): event = .newEnded
        default: return
        }
        guard let action = renewals[id.place]?.handle(event) else { return }
        if action == .giveUp {
            logger.warning("the fresh process can't start, the large one goes on", metadata: metadata(id, nil))
        }
        reconcile()
    }

    var memoryNeeds: MemoryNeeds {
        let workers = slots.values.filter { $0.id.role == .worker && !$0.id.isHunter && $0.machine.state != .draining }
        let pids = slots.values.compactMap { $0.process?.child.pid } + [getpid()]
        return MemoryNeeds(
            outgrown: growth.lately(at: now),
            softLimit: deployment.memoryLimits.soft.bytes,
            resident: pids.reduce(0) { $0 + Int64(options.residentBytes($1) ?? 0) },
            workers: Int64(workers.count),
            least: WorkersConfig.leastMemory.bytes,
            available: MemorySize.available()?.bytes
        )
    }

    // MARK: Too large from the start

    /// A worker that was past its soft limit before it did anything.
    struct Barred: Equatable {
        /// Started again once it changes.
        var configuration: WorkerConfiguration
        var reason: String
    }

    func bar(_ id: SlotID, reason: String) {
        guard case .worker(let worker) = slots[id]?.configuration else { return }
        barred[id] = Barred(configuration: worker, reason: reason)
        logger.error("worker is not started again", metadata: metadata(id, nil, reason))
        reconcile()
    }

    /// At the start no worker is small enough to begin.
    var isTooLargeToRun: Bool { !barred.isEmpty && !slots.keys.contains { $0.role == .worker } }

    func stopAsTooLarge() {
        let reason = barred.values.first?.reason ?? ""
        logger.error("no worker can run", metadata: ["reason": "\(reason)"])
        exitStatusAfterStop = ExitStatus.memoryLimitPassed
        beginStop(why: "no worker can run")
    }

    func reasonOfBarred(_ plugin: PluginName) -> String? {
        barred.first { $0.value.configuration.members.contains { $0.plugin == plugin } }
            .map { "\($0.key) is not started again: \($0.value.reason)" }
    }
}
