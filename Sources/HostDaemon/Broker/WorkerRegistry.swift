// SPDX-License-Identifier: Apache-2.0
import Glibc
import Logging
import NIOCore
import WorkerLink

/// Joins two reports of a worker's death: its link's end, which names the deliveries, and the supervisor's word, which
/// names the cause.
///
/// Confined to the broker's loop.
final class WorkerRegistry {
    private let loop: any EventLoop
    private let log: Logger
    private(set) var sessions: [ObjectIdentifier: WorkerSession] = [:]
    /// Links that ended, by pid, and wait for the cause.
    private var ended: [Int32: WorkerSession] = [:]
    /// Causes that came before the link's end.
    private var causes: [Int32: String] = [:]

    init(loop: any EventLoop, log: Logger) {
        self.loop = loop
        self.log = log
    }

    func joined(_ session: WorkerSession) {
        sessions[ObjectIdentifier(session)] = session
        if let pid = session.hello?.pid { causes[pid] = nil }
    }

    func lost(_ session: WorkerSession) {
        sessions[ObjectIdentifier(session)] = nil
        guard let hello = session.hello else { return }
        if let cause = causes.removeValue(forKey: hello.pid) {
            giveUp(session, cause: cause)
            return
        }
        if session.inFlight.isEmpty { return }
        ended[hello.pid] = session
        // The supervisor reaps at once; a link that broke by itself isn't reported at all.
        let me = NIOLoopBound((self, session), eventLoop: loop)
        loop.scheduleTask(in: .seconds(2)) {
            let (registry, session) = me.value
            guard registry.ended[hello.pid] === session else { return }
            registry.ended[hello.pid] = nil
            registry.giveUp(session, cause: "the link to the worker broke")
        }
    }

    func exited(pid: Int32, cause: String) {
        if let session = ended.removeValue(forKey: pid) {
            giveUp(session, cause: cause)
        } else if sessions.values.contains(where: { $0.hello?.pid == pid }) {
            causes[pid] = cause
        }
    }

    private func giveUp(_ session: WorkerSession, cause: String) {
        guard let hello = session.hello else { return }
        let entered = entered(hello)
        if !session.inFlight.isEmpty {
            log.warning(
                "a worker ended with items in flight",
                metadata: [
                    "plugin": "\(hello.plugin)", "pid": "\(hello.pid)", "cause": "\(cause)",
                    "in_flight": "\(session.inFlight.count)", "entered": "\(entered.count)",
                ]
            )
        }
        unlink(hello.journalPath)
        session.giveUp(entered: entered, cause: "\(hello.plugin) \(hello.pluginVersion): \(cause)")
    }

    /// Deliveries whose handler had been called.
    ///
    /// Where one's handle() was running, nothing else ran in that worker.
    private func entered(_ hello: LinkHello) -> Set<UInt64> {
        do throws(InFlightJournal.Failure) {
            let contents = try InFlightJournal.read(hello.journalPath)
            return contents.inside.map { [$0] } ?? contents.entered
        } catch {
            log.warning(
                "a worker's journal can't be read: its items come back uncounted",
                metadata: ["error": "\(error)"]
            )
            return []
        }
    }
}
