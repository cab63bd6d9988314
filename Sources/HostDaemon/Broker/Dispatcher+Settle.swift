// SPDX-License-Identifier: Apache-2.0
import QueueCore
import QueueStore

// The end of a delivery: what becomes of the item, and what its lane learned.
extension Dispatcher {
    /// Between two tries of an item that kills: once for each kill so far, eleven seconds for ten.
    private static let killDelayMs: Int64 = 200

    /// Ends a claim whose handler said `outcome`, where that stages nothing.
    ///
    /// Call once per claim.
    func settle(_ item: ActiveItem, _ outcome: Outcome) {
        let source = item.source
        let now = clock.steadyMs
        let lane = item.lane
        let wasProbe = item.isProbe
        // A suspect that ran without its lane, which was shut or full: an ordered one waited for it.
        let known = lane ?? item.row.lane.flatMap { lanes[$0] }
        // A delete frame buried it while it was claimed: that stands, and its lane learns what there is to learn.
        let isBuried = unclaim(item, now: now)
        var hasOpened = false
        switch outcome.code {
        case .done, .continue:
            lane?.machine.succeed(wasProbe: wasProbe)
            batch.finished.append(item.row.id)
        case .discard:
            lane?.machine.succeed(wasProbe: wasProbe)
            if !isBuried { bury(item, deadReason(outcome.reason), outcome.text, isKept: outcome.keep) }
        case .giveBack:
            // It had been entered: a drain, or a neighbour's missed deadline, cut it short.
            if outcome.maybeDelivered { item.mayBeDuplicate = true }
            lane?.machine.abandon(wasProbe: wasProbe, nowMs: now)
            if !isBuried { giveBack(item, to: lane ?? (item.isAdoptedFromLane ? known : nil)) }
        case .defer:
            if outcome.maybeDelivered { item.counts.maybe += 1 }
            lane?.machine.abandon(wasProbe: wasProbe, nowMs: now)
            if !isBuried { later(item, lane, outcome, now: now, minimumMs: 1000) }
        case .retry:
            hasOpened = failed(lane, outcome, wasProbe: wasProbe, now: now)
            if !isBuried { retry(item, lane, outcome, wasProbe: wasProbe, hasOpened: hasOpened, now: now) }
        case .overdue:
            lane?.machine.abandon(wasProbe: wasProbe, nowMs: now)
            if !isBuried {
                kill(
                    item,
                    known,
                    now: now,
                    cause: outcome.text.isEmpty ? "the handler missed its deadline" : outcome.text
                )
            }
        }
        if hasOpened, let lane { shut(lane) }
        if outcome.holdMs > 0 {
            hold(
                source,
                key: outcome.holdLane.isEmpty ? item.row.laneName : outcome.holdLane,
                ms: Int64(outcome.holdMs),
                text: outcome.text
            )
        }
        if let known { goOn(known, now: now) }
        touch(source.line)
    }

    /// Ends a claim of an item of which is decided elsewhere what becomes of it.
    func endClaim(_ item: ActiveItem, succeeded: Bool) {
        let now = clock.steadyMs
        let lane = item.lane
        let wasProbe = item.isProbe
        _ = unclaim(item, now: now)
        if succeeded {
            lane?.machine.succeed(wasProbe: wasProbe)
        } else {
            lane?.machine.abandon(wasProbe: wasProbe, nowMs: now)
        }
        if let known = lane ?? item.row.lane.flatMap({ lanes[$0] }) { goOn(known, now: now) }
        touch(item.source.line)
    }

    /// True: it was buried while it was claimed.
    ///
    /// The lane's machine isn't told here.
    private func unclaim(_ item: ActiveItem, now: Int64) -> Bool {
        item.source.claimed -= 1
        item.source.rateOut.add(1, nowMs: now)
        // A suspect runs without its lane, where that is shut.
        (item.lane ?? item.row.lane.flatMap { lanes[$0] })?.leave(item)
        item.lane = nil
        item.isProbe = false
        if !adoptedFromLanes.isEmpty { adoptedFromLanes.remove(item.row.id) }
        endHunted(item)
        return takeBurial(item)
    }

    /// The lane takes note of a retry.
    ///
    /// True: its circuit is open now.
    private func failed(_ lane: Lane?, _ outcome: Outcome, wasProbe: Bool, now: Int64) -> Bool {
        guard let lane else { return false }
        // What was cut short since its target was blocked says nothing of the target.
        guard outcome.reason.isTargets, !lane.isBlocked else {
            lane.machine.abandon(wasProbe: wasProbe, nowMs: now)
            return false
        }
        lane.reason = outcome.text.isEmpty ? outcome.reason.word : outcome.text
        lane.failedMs = now
        return lane.machine.fail(
            wasProbe: wasProbe,
            nowMs: now,
            retryAfterMs: Int64(max(outcome.delayMs, outcome.holdMs)),
            backoff: backoff,
            using: &random
        )
    }

    private func retry(
        _ item: ActiveItem,
        _ lane: Lane?,
        _ outcome: Outcome,
        wasProbe: Bool,
        hasOpened: Bool,
        now: Int64
    ) {
        if outcome.maybeDelivered { item.counts.maybe += 1 }
        // While the circuit is open its probes charge the lane, not the item: an outage uses up nobody's attempts.
        // Nor does a block that cut it short.
        if !(wasProbe && outcome.reason.isTargets), lane?.isBlocked != true { item.counts.attempts += 1 }
        if item.counts.attempts > maxAttempts(item) {
            bury(item, .maxRetries, outcome.text.isEmpty ? "reason: \(outcome.reason.word)" : outcome.text)
            return
        }
        item.rank = item.rank.retry
        if hasOpened, let lane {
            park(item, in: lane, text: outcome.text)
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
        if let lane, item.source.line.isOrdered || lane.isShut(nowMs: now) {
            if !outcome.text.isEmpty, !lane.isBlocked { lane.reason = outcome.text }
            parkAndHold(item, in: lane, untilMs: now + wait, now: now, text: outcome.text)
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

    /// The item waits in the store, and its whole lane with it.
    private func parkAndHold(_ item: ActiveItem, in lane: Lane, untilMs: Int64, now: Int64, text: String) {
        park(item, in: lane, text: text)
        lane.machine.hold(untilMs: max(untilMs, lane.machine.nextAttemptMs ?? 0), nowMs: now)
        shut(lane)
    }

    /// The worker that had nothing but it died, or ended it past its deadline.
    ///
    /// It comes back as a suspect, soon: it harms nothing but its hunter.
    private func kill(_ item: ActiveItem, _ lane: Lane?, now: Int64, cause: String) {
        item.counts.kills += 1
        if item.counts.kills > settings.maxRetries {
            bury(item, .killed, "\(cause); it was tried \(item.counts.kills) times")
            return
        }
        item.rank = item.rank.retry
        let due = now + Self.killDelayMs * item.counts.kills
        if let lane, item.source.line.isOrdered {
            parkAndHold(item, in: lane, untilMs: due, now: now, text: cause)
            return
        }
        batch.delays.append(
            WriteBatch.Delay(
                id: item.row.id,
                dueMs: due,
                rank: item.rank,
                counts: item.counts,
                text: cause
            )
        )
        scheduleTurn()
    }

    /// Unhandled: first in turn again, as it was.
    func giveBack(_ item: ActiveItem, to lane: Lane? = nil) {
        if item.isSuspect {
            suspect(item)
        } else if let lane {
            let now = clock.steadyMs
            if lane.isShut(nowMs: now), !lane.canStart(nowMs: now) {
                park(item, in: lane)
            } else {
                lane.wait(item)
            }
        } else if item.isAdoptedFromLane {
            park(item)
        } else {
            item.source.putBack(item)
            touch(item.source)
        }
    }

    /// Gives up an item that nobody holds.
    func bury(_ item: ActiveItem, _ reason: DeadReason, _ text: String, isKept: Bool = true) {
        batch.burials.append(
            WriteBatch.Burial(id: item.row.id, reason: reason, text: text, counts: item.counts, isKept: isKept)
        )
        if isKept {
            count(item, "dead")
            deaths.add(1, nowMs: clock.steadyMs)
        }
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

extension ReasonClass {
    /// The target failed as such, not this item.
    fileprivate var isTargets: Bool { self == .network || self == .remote || self == .rate }
}
