// SPDX-License-Identifier: Apache-2.0
import Control
import Logging
import NIOCore
import QueueStore
import WorkerLink

/// The start of a broker whose predecessor died: workers that outlived it keep what they were given, so that nothing is
/// delivered twice for the broker's death alone (docs/decisions/0010).
///
/// Nothing is handed out before each worker that is still there has said what it has, or `limit` is over. What nobody has
/// then is anybody's. Confined to the broker's loop.
final class Resumption {
    /// A worker comes back within a fraction of a second, unless its plugin blocks it.
    static let limit = TimeAmount.seconds(5)

    private unowned let core: BrokerCore
    /// The journals of workers that haven't come back yet.
    private var awaited: Set<String>
    private var sessions: [WorkerSession] = []
    private var isReading = false
    var isOver: Bool { !core.dispatcher.isResuming }
    private let begun: Int64

    init(_ core: BrokerCore) {
        self.core = core
        awaited = InFlightJournal.locked(in: core.configuration.stateDirectory + "/journals")
        begun = core.clock.steadyMs
        core.dispatcher.isResuming = !awaited.isEmpty
    }

    /// Workers can connect from now on.
    func listening() {
        guard !isOver else { return }
        let me = NIOLoopBound(self, eventLoop: core.loop)
        core.loop.scheduleTask(in: Self.limit) { me.value.adopt() }
    }

    /// A worker has a link.
    func joined(_ session: WorkerSession) {
        guard !isOver else { return session.resumed() }
        sessions.append(session)
        if let name = session.hello?.journalPath.split(separator: "/").last { awaited.remove(String(name)) }
        if awaited.isEmpty { adopt() }
    }

    func left(_ session: WorkerSession) { sessions.removeAll { $0 === session } }

    private func adopt() {
        guard !isOver, !isReading else { return }
        isReading = true
        let ids = sessions.flatMap { $0.hello?.held ?? [] }.map { Int64(bitPattern: $0.item) }
        let me = NIOLoopBound(self, eventLoop: core.loop)
        core.store.read { (reader) throws(QueueStoreError) in
            try reader.waiting(ids)
        } completion: { result in
            me.value.adopt(result)
        }
    }

    private func adopt(_ result: Result<[StoredItem], QueueStoreError>) {
        var rows: [Int64: StoredItem] = [:]
        switch result {
        case .success(let found): for row in found { rows[row.id] = row }
        case .failure(let error):
            core.log.error(
                "what workers still have can't be read: it is delivered once more",
                metadata: ["error": "\(error)"]
            )
        }
        var adopted = 0
        for session in sessions {
            for held in session.hello?.held ?? [] {
                // One that two have is the first one's.
                guard let row = rows.removeValue(forKey: Int64(bitPattern: held.item)),
                    let item = core.dispatcher.adopt(row, held, by: session)
                else { continue }
                session.adopt(item, as: held.id)
                adopted += 1
            }
        }
        core.log.info(
            "workers kept what they had of the broker before",
            metadata: [
                "workers": "\(sessions.count)", "missing": "\(awaited.count)", "items": "\(adopted)",
                "waited_ms": "\(core.clock.steadyMs - begun)",
            ]
        )
        core.dispatcher.isResuming = false
        for session in sessions { session.resumed() }
        sessions = []
        core.dispatcher.touchAll()
    }
}
