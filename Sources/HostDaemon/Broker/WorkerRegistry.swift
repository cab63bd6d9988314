// SPDX-License-Identifier: Apache-2.0
import Glibc
import Logging
import NIOCore
import WorkerLink

/// Joins two reports of a worker's death: its links' ends, which name the deliveries, and the supervisor's word, which
/// names the cause.
///
/// A worker has one link for each of its plugins; they end together. Confined to the broker's loop.
final class WorkerRegistry {
    /// So many of the items that were in a handler are named in the log.
    private static let namedItems = 3

    private let loop: any EventLoop
    private let log: Logger
    private(set) var sessions: [ObjectIdentifier: WorkerSession] = [:]
    /// Links that ended, by pid, and wait for the cause or for the process's other links.
    private var ended: [Int32: [WorkerSession]] = [:]
    /// Causes that came before the last link's end.
    private var causes: [Int32: String] = [:]

    init(loop: any EventLoop, log: Logger) {
        self.loop = loop
        self.log = log
    }

    func joined(_ session: WorkerSession) {
        sessions[ObjectIdentifier(session)] = session
        guard let hello = session.hello else { return }
        causes[hello.pid] = nil
        // It is the same plugin of the same worker, over a new link.
        let old = ended[hello.pid, default: []].filter { $0.hello?.plugin == hello.plugin }
        for old in old {
            forget(old, hello.pid)
            session.adopt(from: old)
        }
        giveUp(old.map { Departed(session: $0, journal: nil) }, cause: nil)
    }

    func lost(_ session: WorkerSession) {
        sessions[ObjectIdentifier(session)] = nil
        guard let hello = session.hello else { return }
        ended[hello.pid, default: []].append(session)
        if let cause = causes[hello.pid], !hasLinks(hello.pid) {
            died(hello.pid, cause: cause)
            return
        }
        // The supervisor reaps at once; a link that broke by itself isn't reported at all.
        let me = NIOLoopBound((self, session), eventLoop: loop)
        loop.scheduleTask(in: .seconds(2)) {
            let (registry, session) = me.value
            guard registry.ended[hello.pid]?.contains(where: { $0 === session }) == true else { return }
            if kill(hello.pid, 0) != 0, errno == ESRCH {
                registry.died(hello.pid, cause: registry.causes[hello.pid] ?? "the worker ended")
            } else {
                // Its journal belongs to its next link by now.
                registry.forget(session, hello.pid)
                registry.giveUp([Departed(session: session, journal: nil)], cause: nil)
            }
        }
    }

    func exited(pid: Int32, cause: String) {
        if hasLinks(pid) {
            causes[pid] = cause
        } else if ended[pid] != nil {
            died(pid, cause: cause)
        }
    }

    private func hasLinks(_ pid: Int32) -> Bool { sessions.values.contains { $0.hello?.pid == pid } }

    private func forget(_ session: WorkerSession, _ pid: Int32) {
        ended[pid]?.removeAll { $0 === session }
        if ended[pid]?.isEmpty == true { ended[pid] = nil }
    }

    private func died(_ pid: Int32, cause: String) {
        causes[pid] = nil
        let departed = (ended.removeValue(forKey: pid) ?? []).map { session in
            Departed(session: session, journal: session.inFlight.isEmpty ? nil : session.hello.flatMap(journal))
        }
        giveUp(departed, cause: cause)
        for path in departed.compactMap(\.session.hello?.journalPath) { unlink(path) }
    }

    /// A link that ended, with what its worker had noted.
    private struct Departed {
        var session: WorkerSession
        var journal: InFlightJournal.Contents?

        var suspects: Set<UInt64> { session.suspects(journal) }
        /// A handle() of it was running.
        var isInside: Bool { journal?.inside.map { session.inFlight[$0] != nil } == true }

        /// What is to be thought of its items, with all the links of its process that ended.
        func blame(among all: [Departed]) -> WorkerSession.Blame {
            let others = all.filter { $0.session !== session }
            if others.contains(where: { $0.session.isEnding }) { return .nobody }
            if isInside { return .alone }
            if others.contains(where: \.isInside) { return .nobody }
            return others.allSatisfy(\.suspects.isEmpty) ? .alone : .shared
        }
    }

    private func giveUp(_ departed: [Departed], cause: String?) {
        // All first: to give up one empties it.
        let judged = departed.map { ($0, cause == nil ? WorkerSession.Blame.alone : $0.blame(among: departed)) }
        for (departed, blame) in judged {
            guard let hello = departed.session.hello, !departed.session.inFlight.isEmpty else { continue }
            var metadata: Logger.Metadata = [
                "plugin": "\(hello.plugin)", "version": "\(hello.pluginVersion)", "generation": "\(hello.generation)",
                "pid": "\(hello.pid)", "cause": "\(cause ?? "the link broke")",
                "in_flight": "\(departed.session.inFlight.count)",
                "entered": "\(departed.journal?.entered.count ?? 0)",
            ]
            if let journal = departed.journal {
                metadata["items"] = "\(departed.session.names(of: journal, limit: Self.namedItems))"
            }
            log.warning("a worker's link ended with items in flight", metadata: metadata)
            let text = cause.map { "\(hello.plugin) \(hello.pluginVersion): \($0)" }
            departed.session.giveUp(departed.journal, cause: text, blame: blame)
        }
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
