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
    /// So many of the items that were in a handler are named in the log.
    private static let namedItems = 3

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
        guard let pid = session.hello?.pid else { return }
        causes[pid] = nil
        // It is the same worker, over a new link.
        if let old = ended.removeValue(forKey: pid), let hello = old.hello { giveUp(old, hello, nil, cause: nil) }
    }

    func lost(_ session: WorkerSession) {
        sessions[ObjectIdentifier(session)] = nil
        guard let hello = session.hello else { return }
        if let cause = causes.removeValue(forKey: hello.pid) {
            died(session, hello, cause: cause)
            return
        }
        ended[hello.pid] = session
        // The supervisor reaps at once; a link that broke by itself isn't reported at all.
        let me = NIOLoopBound((self, session), eventLoop: loop)
        loop.scheduleTask(in: .seconds(2)) {
            let (registry, session) = me.value
            guard registry.ended[hello.pid] === session else { return }
            registry.ended[hello.pid] = nil
            if kill(hello.pid, 0) != 0, errno == ESRCH {
                registry.died(session, hello, cause: "the worker ended")
            } else {
                // Its journal belongs to its next link by now.
                registry.giveUp(session, hello, nil, cause: nil)
            }
        }
    }

    func exited(pid: Int32, cause: String) {
        if let session = ended.removeValue(forKey: pid), let hello = session.hello {
            died(session, hello, cause: cause)
        } else if sessions.values.contains(where: { $0.hello?.pid == pid }) {
            causes[pid] = cause
        }
    }

    private func died(_ session: WorkerSession, _ hello: LinkHello, cause: String) {
        giveUp(session, hello, session.inFlight.isEmpty ? nil : journal(hello), cause: cause)
        unlink(hello.journalPath)
    }

    private func giveUp(
        _ session: WorkerSession,
        _ hello: LinkHello,
        _ journal: InFlightJournal.Contents?,
        cause: String?
    ) {
        guard !session.inFlight.isEmpty else { return }
        var metadata: Logger.Metadata = [
            "plugin": "\(hello.plugin)", "version": "\(hello.pluginVersion)", "generation": "\(hello.generation)",
            "pid": "\(hello.pid)", "cause": "\(cause ?? "the link broke")",
            "in_flight": "\(session.inFlight.count)", "entered": "\(journal?.entered.count ?? 0)",
        ]
        if let journal { metadata["items"] = "\(session.names(of: journal, limit: Self.namedItems))" }
        log.warning("a worker's link ended with items in flight", metadata: metadata)
        session.giveUp(journal, cause: cause.map { "\(hello.plugin) \(hello.pluginVersion): \($0)" })
    }

    private func journal(_ hello: LinkHello) -> InFlightJournal.Contents? {
        do throws(InFlightJournal.Failure) {
            return try InFlightJournal.read(hello.journalPath)
        } catch {
            log.warning(
                "a worker's journal can't be read: its items come back uncounted",
                metadata: ["error": "\(error)"]
            )
            return nil
        }
    }
}
