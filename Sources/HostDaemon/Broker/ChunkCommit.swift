// SPDX-License-Identifier: Apache-2.0
import Control
import Logging
import NIOCore
import QueueCore
import QueueStore

extension BrokerCore {
    /// Stage 1: the staged items, and the new cursor or the end of the item, in one transaction.
    ///
    /// A crash before it leaves the item where it was, a crash after it finds all of it: no target is staged twice,
    /// none is lost.
    func commitChunk(_ item: ActiveItem, _ outcome: Outcome, _ staged: [NewItem]) {
        let row = item.row
        let isLast = outcome.code == .done
        guard let site = dispatcher.names[row.site].flatMap(SiteName.init) else {
            dispatcher.settle(item, Outcome(.giveBack))
            return
        }
        let isBulk = !row.cursor.isEmpty
        let incoming = staged.map { made($0, site: site, notice: row.notice, isBulk: isBulk) }
        let next = row.rank.priority == 0 || isBulk ? row.rank : row.rank.bulk
        let cursor = outcome.cursor
        let wall = clock.wallMs
        let steady = clock.steadyMs
        let since = wall - configuration.dedupeWindowMs
        let me = NIOLoopBound((self, item), eventLoop: loop)
        store.write(as: .intake) { (transaction) throws(QueueStoreError) in
            var stored = StoredItems()
            // A delete frame came while the handler ran: nothing is staged of a notice that is gone.
            guard try transaction.isWaiting(row.id) else { return (stored, Int64(0)) }
            for item in incoming { try stored.add(item, transaction, nowMs: steady, dedupeSince: since) }
            if isLast {
                try transaction.finish(row.id, nowMs: wall)
                return (stored, Int64(0))
            }
            return (stored, try transaction.advance(row.id, cursor: cursor, rank: next))
        } completion: { result in
            let (core, item) = me.value
            if case .failure(.diskFull) = result {
                core.log.error("a chunk could not be stored: no room; tried again in a second")
                // The same chunk: its handler doesn't run again for want of room.
                core.dispatcher.retryLater { _ in me.value.0.commitChunk(item, outcome, staged) }
                return
            }
            core.committed(item, cursor, next, result)
        }
    }

    private func committed(
        _ item: ActiveItem,
        _ cursor: [UInt8],
        _ rank: Rank,
        _ result: Result<(StoredItems, Int64), QueueStoreError>
    ) {
        guard case .success(let (stored, seq)) = result else {
            if case .failure(let error) = result {
                log.error("a chunk could not be stored; tried again in a second", metadata: ["error": "\(error)"])
            }
            dispatcher.retryLater { $0.settle(item, Outcome(.giveBack)) }
            return
        }
        arrived(stored)
        dispatcher.endClaim(item, succeeded: true)
        if seq == 0 { return }
        var row = item.row
        row.cursor = cursor
        row.rank = rank
        row.seq = seq
        row.state = .ready
        row.attempts = 0
        dispatcher.ready(row, item.source)
    }
}
