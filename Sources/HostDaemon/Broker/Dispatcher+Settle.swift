// SPDX-License-Identifier: Apache-2.0
import QueueCore
import QueueStore

// The end of a delivery: what becomes of the item, and what its lane learned.
extension Dispatcher {
    /// Ends a claim whose handler said `outcome`, where that stages nothing.
    ///
    /// Call once per claim.
    func settle(_ item: ActiveItem, _ outcome: Outcome) {
        let source = item.source
        let now = clock.steadyMs
        source.claimed -= 1
        source.rateOut.add(1, nowMs: now)
        let lane = item.lane
        item.lane = nil
        lane?.active.remove(item.row.id)
        // A delete frame buried it while it was claimed: that stands.
        let isBuried = buried.remove(item.row.id) != nil
        switch outcome.code {
        case .done, .continue:
            lane?.machine.succeed(wasProbe: item.isProbe)
            batch.finished.append(item.row.id)
        case .discard:
            lane?.machine.succeed(wasProbe: item.isProbe)
            if !isBuried {
                bury(item, deadReason(outcome.reason), outcome.text, isKept: outcome.keep)
            }
        case .giveBack:
            // It had been entered: a drain, or a neighbour's missed deadline, cut it short.
            if outcome.maybeDelivered { item.mayBeDuplicate = true }
            lane?.machine.abandon(wasProbe: item.isProbe, nowMs: now)
            if !isBuried { giveBack(item) }
        case .defer:
            lane?.machine.abandon(wasProbe: item.isProbe, nowMs: now)
            if !isBuried { later(item, lane, outcome, now: now, minimumMs: 1000) }
        case .retry:
            if outcome.maybeDelivered { item.counts.maybe += 1 }
            if !isBuried { retry(item, lane, outcome, now: now) }
        case .overdue:
            lane?.machine.abandon(wasProbe: item.isProbe, nowMs: now)
            if !isBuried { kill(item, cause: "the handler missed its deadline") }
        }
        if outcome.holdMs > 0 {
            hold(
                source,
                key: outcome.holdLane.isEmpty ? item.row.laneName : outcome.holdLane,
                ms: Int64(outcome.holdMs),
                text: outcome.text
            )
        }
        item.isProbe = false
        if let lane {
            listIfReady(lane, now: now)
            dropIfIdle(lane)
        }
        touch(source.line)
    }

    /// The worker died with this item, and no other, in a handler.
    func settleKilled(_ item: ActiveItem, cause: String) {
        let lane = item.lane
        let isBuried = buried.remove(item.row.id) != nil
        lane?.machine.abandon(wasProbe: item.isProbe, nowMs: clock.steadyMs)
        ended(item)
        if !isBuried { kill(item, cause: cause) }
        if let lane {
            listIfReady(lane, now: clock.steadyMs)
            dropIfIdle(lane)
        }
    }

    /// The claim is over; the lane isn't told here.
    func ended(_ item: ActiveItem) {
        item.source.claimed -= 1
        item.source.rateOut.add(1, nowMs: clock.steadyMs)
        item.lane?.active.remove(item.row.id)
        item.lane = nil
        item.isProbe = false
        touch(item.source.line)
    }

    private func retry(_ item: ActiveItem, _ lane: Lane?, _ outcome: Outcome, now: Int64) {
        let wasProbe = item.isProbe
        let isTargets = [.network, .remote, .rate].contains(outcome.reason)
        // While the circuit is open its probes charge the lane, not the item: an outage uses up nobody's attempts.
        if !(wasProbe && isTargets) { item.counts.attempts += 1 }
        let opened: Bool
        if let lane, isTargets {
            opened = lane.machine.fail(
                wasProbe: wasProbe,
                nowMs: now,
                retryAfterMs: Int64(max(outcome.delayMs, outcome.holdMs)),
                backoff: backoff,
                using: &random
            )
            lane.reason = outcome.text.isEmpty ? outcome.reason.word : outcome.text
        } else {
            lane?.machine.abandon(wasProbe: wasProbe, nowMs: now)
            opened = false
        }
        if item.counts.attempts > maxAttempts(item) {
            bury(item, .maxRetries, outcome.text.isEmpty ? "reason: \(outcome.reason.word)" : outcome.text)
            if let lane, opened { shut(lane) }
            return
        }
        item.rank = item.rank.retry
        if let lane, opened {
            park(item, in: lane, text: outcome.text)
            shut(lane)
        } else {
            later(
                item,
                lane,
                outcome,
                now: now,
                minimumMs: backoff.delayMs(attempt: item.counts.attempts, using: &random)
            )
        }
    }

    /// The item waits by itself; in an ordered queue its lane waits with it.
    private func later(_ item: ActiveItem, _ lane: Lane?, _ outcome: Outcome, now: Int64, minimumMs: Int64) {
        let wait = outcome.delayMs > 0 ? Int64(outcome.delayMs) : max(minimumMs, Int64(outcome.holdMs))
        if let lane, item.source.line.handler?.descriptor.isOrdered == true || lane.machine.isShut(nowMs: now) {
            park(item, in: lane, text: outcome.text)
            lane.machine.hold(untilMs: max(now + wait, lane.machine.nextAttemptMs ?? 0), nowMs: now)
            shut(lane)
            return
        }
        batch.delays.append(
            WriteBatch.Delay(
                id: item.row.id,
                dueMs: now + wait,
                rank: item.rank,
                counts: item.counts,
                text: outcome.text
            )
        )
        scheduleTurn()
    }

    /// The worker that held it died, or ended it past its deadline.
    func kill(_ item: ActiveItem, cause: String) {
        item.counts.kills += 1
        item.mayBeDuplicate = true
        item.isSuspect = true
        if item.counts.kills > settings.maxRetries {
            bury(item, .killed, "\(cause); it was tried \(item.counts.kills) times")
            return
        }
        batch.delays.append(
            WriteBatch.Delay(
                id: item.row.id,
                dueMs: clock.steadyMs + backoff.delayMs(attempt: item.counts.kills, using: &random) / 4,
                rank: item.rank.retry,
                counts: item.counts,
                text: cause
            )
        )
        scheduleTurn()
    }

    /// Unhandled: first in turn again, as it was.
    func giveBack(_ item: ActiveItem) {
        item.lane = nil
        if item.isSuspect {
            item.source.suspects.append(item)
        } else {
            item.source.returned.append(item)
        }
        touch(item.source)
    }

    /// Gives up an item that nobody holds.
    func bury(_ item: ActiveItem, _ reason: DeadReason, _ text: String, isKept: Bool = true) {
        batch.burials.append(
            WriteBatch.Burial(id: item.row.id, reason: reason, text: text, counts: item.counts, isKept: isKept)
        )
        if isKept { count(item, "dead") }
        scheduleTurn()
    }

    func maxAttempts(_ item: ActiveItem) -> Int64 {
        let own = item.source.line.handler?.descriptor.maxAttempts ?? 0
        return own > 0 ? Int64(own) : settings.maxRetries
    }

    private func deadReason(_ reason: ReasonClass) -> DeadReason {
        switch reason {
        case .gone: .gone
        case .badData: .badFrame
        default: .rejected
        }
    }
}
