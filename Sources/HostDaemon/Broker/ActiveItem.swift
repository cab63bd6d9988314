// SPDX-License-Identifier: Apache-2.0
import QueueStore

/// An item that is in memory: it waits in a window or a lane, or is claimed.
///
/// Confined to the broker's loop.
final class ActiveItem {
    let row: StoredItem
    unowned let source: Source
    var rank: Rank
    var counts: Counts
    /// The lane that it counts in while claimed.
    var lane: Lane?
    var isProbe = false
    var deliveries = 0
    /// Steady milliseconds of the last claim.
    var claimedMs: Int64 = 0
    /// It killed a worker, or was in a handler when one died: it runs alone until that is settled.
    var isSuspect: Bool
    /// It is claimed as a suspect: alone, in a worker that has nothing else in flight.
    var isHunted = false
    /// It was in a handler when a worker died in another item's handle(): a second time makes it a suspect too.
    var wasBeside = false
    /// It was claimed from another broker, out of a lane that only the store knows of: it is parked there.
    var isAdoptedFromLane = false
    /// An earlier delivery may have been carried out.
    var mayBeDuplicate: Bool

    init(_ row: StoredItem, source: Source, isOlderThanBroker: Bool) {
        self.row = row
        self.source = source
        rank = row.rank
        counts = Counts(attempts: row.attempts, kills: row.kills, maybe: row.maybe)
        mayBeDuplicate = isOlderThanBroker || row.maybe > 0 || row.kills > 0
        isSuspect = row.kills > 0
    }

    /// Order of claiming within a source.
    func isBefore(_ other: ActiveItem) -> Bool { (rank, row.seq) < (other.rank, other.row.seq) }
}
