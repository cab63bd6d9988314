// SPDX-License-Identifier: Apache-2.0
import Control
import Logging
import NIOCore
import QueueStore

/// Keeps the store in its bounds: history ends in small steps, free pages go back to the file system, and where room
/// gets short, producers wait.
///
/// Confined to the broker's loop.
final class StoreUpkeep {
    private static let rows = 500
    /// Between two steps, so that what is delivered goes on.
    private static let pause = TimeAmount.milliseconds(20)
    /// Milliseconds between two passes, in these bounds ten times what the last one took: old dead letters and much that
    /// waits aren't read all the time.
    private static let pauses: ClosedRange<Int64> = 60_000...3_600_000
    private static let pausesWhenShort: ClosedRange<Int64> = 250...60_000
    private static let look = TimeAmount.seconds(10)
    private static let lookWhenShort = TimeAmount.milliseconds(250)

    private unowned let core: BrokerCore
    private var space = SpaceGuard()
    private var reclaim = ReclaimRule()
    private var isForgetting = false
    private var place = Place.start
    private var passBegan: Int64 = 0
    private var forgetting: Scheduled<Void>?
    private var looking: Scheduled<Void>?
    private var isReclaimScheduled = false

    /// Where a pass through history is: items first, then the notices that have none any more.
    private enum Place: Hashable, Sendable {
        case items(after: Int64)
        case notices(after: Int64)

        static let start = Place.items(after: 0)
    }

    init(_ core: BrokerCore) { self.core = core }

    var isShort: Bool { space.shortage != nil }
    /// Why producers wait; nil: they don't.
    var shortage: String? { space.text }

    func start() {
        if !core.store.givesBack {
            core.log.warning(
                "the store was made by an older hostd: space in it is used again, but the file doesn't shrink; see docs/operations.md"
            )
        }
        scheduleForgetting(in: .milliseconds(Self.pauses.lowerBound))
        watch()
    }

    // MARK: Room

    private func watch() {
        let me = NIOLoopBound(self, eventLoop: core.loop)
        looking?.cancel()
        looking = core.loop.scheduleTask(in: isShort ? Self.lookWhenShort : Self.look) {
            me.value.core.store.look {
                me.value.measured()
                me.value.watch()
            }
        }
    }

    /// The store has been written, or looked at.
    func measured() {
        let wasShort = isShort
        let measured = core.store.space
        space.look(at: measured, maxStore: core.configuration.maxStoreBytes)
        switch (wasShort, isShort) {
        case (false, true):
            core.log.error("producers wait for room", metadata: ["reason": "\(space.text ?? "")"])
            watch()
            // Outcomes are worth less than new items.
            if !isForgetting {
                place = .start
                scheduleForgetting(in: .zero)
            }
        case (true, false):
            core.log.info("there is room again: producers go on")
            core.letProducersGoOn()
        default: break
        }
        scheduleReclaim()
    }

    // MARK: History

    private func scheduleForgetting(in wait: TimeAmount) {
        let me = NIOLoopBound(self, eventLoop: core.loop)
        forgetting?.cancel()
        forgetting = core.loop.scheduleTask(in: wait) { me.value.forget() }
    }

    /// What ended before `queue.history` goes; where room is short, all that ended, but for what tells duplicates.
    private func forget() {
        isForgetting = true
        if place == .start { passBegan = core.clock.steadyMs }
        let now = core.clock.wallMs
        let before = isShort ? now : now - core.configuration.historyMs
        let keyedBefore = min(before, now - core.configuration.dedupeWindowMs)
        let place = place
        let me = NIOLoopBound(self, eventLoop: core.loop)
        core.store.write { (transaction) throws(QueueStoreError) -> Place? in
            switch place {
            case .items(let id):
                let page = try transaction.forget(
                    before: before,
                    keyedBefore: keyedBefore,
                    after: id,
                    limit: Self.rows
                )
                return page.next.map(Place.items(after:)) ?? .notices(after: 0)
            case .notices(let id):
                return try transaction.forgetNotices(before: before, after: id, limit: Self.rows * 10)
                    .map(Place.notices(after:))
            }
        } completion: { result in
            let upkeep = me.value
            upkeep.isForgetting = false
            upkeep.measured()
            if case .success(let next?) = result {
                upkeep.place = next
                upkeep.scheduleForgetting(in: Self.pause)
            } else {
                upkeep.place = .start
                upkeep.scheduleForgetting(in: upkeep.pauseOfPasses)
            }
        }
    }

    private var pauseOfPasses: TimeAmount {
        let bounds = isShort ? Self.pausesWhenShort : Self.pauses
        return .milliseconds(
            min(max(10 * (core.clock.steadyMs - passBegan), bounds.lowerBound), bounds.upperBound)
        )
    }

    // MARK: Space

    private func scheduleReclaim() {
        let wasReclaiming = reclaim.isReclaiming
        guard core.store.givesBack, !isReclaimScheduled else { return }
        let pages = reclaim.pages(core.store.space, isShort: isShort)
        guard pages > 0 else {
            // The file shrinks with the checkpoint.
            if wasReclaiming { core.store.checkpoint() }
            return
        }
        isReclaimScheduled = true
        let me = NIOLoopBound(self, eventLoop: core.loop)
        core.loop.scheduleTask(in: core.unstoredBytes == 0 ? Self.pause : .seconds(1)) {
            me.value.core.store.write { (transaction) throws(QueueStoreError) in
                try transaction.reclaim(pages: pages)
            } completion: { _ in
                me.value.isReclaimScheduled = false
                me.value.measured()
            }
        }
    }
}
