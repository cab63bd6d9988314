// SPDX-License-Identifier: Apache-2.0
import Control
import Logging
import NIOCore
import QueueCore
import QueueStore

/// Serves the queue `notice`: most notices are distributed in the transaction that stores them, the rest, which were
/// delayed, paused or behind such, when their turn comes (docs/decisions/0005).
///
/// Confined to the broker's loop.
final class NoticeDistributor: Consumer {
    private static let atOnce = 64

    private unowned let core: BrokerCore
    private let line: QueueLine
    private var inFlight = 0
    /// On their way into the store, to wait in the queue.
    private var queueing = 0
    let isHunter = false
    var isHunting = false

    init(_ core: BrokerCore, _ line: QueueLine) {
        self.core = core
        self.line = line
    }

    // MARK: At once

    /// How this item can be distributed by the transaction that stores it; nil where it has to wait, and then the ones
    /// after it wait too: a delete frame never overtakes its notice.
    func distribution(of item: Incoming) -> NoticeDistribution? {
        guard item.queue == QueueName.notice.rawValue, item.dead == nil else { return nil }
        guard item.dueMs <= core.clock.steadyMs, item.expiresMs == 0 || item.expiresMs > core.clock.wallMs,
            !core.dispatcher.isPaused(line, site: item.site), queueing == 0, !isWaiting(site: item.site)
        else {
            return nil
        }
        return NoticeDistribution(site: item.site, enqueuedMs: item.enqueuedMs, core: core)
    }

    private func isWaiting(site: String) -> Bool {
        guard let id = core.dispatcher.ids[site], let source = line.sources[id] else { return false }
        return source.claimed > 0 || !source.isEmpty
    }

    func queueing(_ change: Int) { queueing += change }

    // MARK: Consumer

    func room(in line: QueueLine) -> Int { Self.atOnce - inFlight }
    func takes(_ source: Source) -> Bool { true }
    var isIdle: Bool { inFlight == 0 }
    func flush() {}

    func take(_ item: ActiveItem) {
        inFlight += 1
        let row = item.row
        let distribution = NoticeDistribution(
            site: core.dispatcher.names[row.site] ?? "",
            enqueuedMs: row.enqueuedMs,
            core: core
        )
        let counts = item.counts
        let me = NIOLoopBound((self, item), eventLoop: core.loop)
        core.store.write(as: .intake) { (transaction) throws(QueueStoreError) in
            var stored = StoredItems()
            // A delete frame of a higher priority took it away.
            if try transaction.isWaiting(row.id) { try distribution.run(row, counts, transaction, &stored) }
            return stored
        } completion: { result in
            let (distributor, item) = me.value
            distributor.ended(item, result)
        }
    }

    private func ended(_ item: ActiveItem, _ result: Result<StoredItems, QueueStoreError>) {
        inFlight -= 1
        switch result {
        case .failure(let error):
            core.dispatcher.endClaim(item, succeeded: false)
            core.log.error(
                "a notice could not be distributed; tried again in a second",
                metadata: ["error": "\(error)"]
            )
            core.dispatcher.retryLater { $0.giveBack(item) }
        case .success(let stored):
            core.dispatcher.endClaim(item, succeeded: true)
            core.arrived(stored)
        }
    }
}
