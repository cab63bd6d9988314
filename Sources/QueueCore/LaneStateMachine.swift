// SPDX-License-Identifier: Apache-2.0

/// What one target may have in flight, and when it is tried again after failing.
///
/// The concurrency adapts as in Postfix's queue manager (its SCHEDULER_README): up by one for each success while the
/// lane is busy, down by one at the start of a run of failures, and when a whole cohort of what was in flight together
/// has failed, the circuit opens once. Pure: time comes in as Unix milliseconds of one steady clock.
package struct LaneStateMachine: Hashable, Sendable {
    package struct Limits: Hashable, Sendable {
        /// In flight at most, before the lane has shown what it bears.
        package var initial: Int
        package var limit: Int

        package init(initial: Int = 5, limit: Int = 20) {
            self.limit = max(1, limit)
            self.initial = min(max(1, initial), self.limit)
        }

        /// A queue that is marked ordered has one in flight per lane.
        package static let ordered = Limits(initial: 1, limit: 1)
    }

    package enum Circuit: Hashable, Sendable {
        /// Items start while fewer than `concurrency` are in flight. To `.held` by a hold, to `.open` by a failed cohort.
        case closed
        /// Nothing starts until then; then `.closed`. The target asked for it, or an ordered lane waits for its head.
        case held(untilMs: Int64)
        /// Nothing starts until then; the next start is the probe, and makes it `.halfOpen`.
        case open(untilMs: Int64)
        /// One probe is in flight. Its success leads to `.closed` with concurrency 1, its failure to `.open`.
        case halfOpen
    }

    package let limits: Limits
    package private(set) var circuit = Circuit.closed
    package private(set) var concurrency: Int
    package private(set) var inFlight = 0
    /// Openings and failed probes since the last success.
    package private(set) var openings: Int64 = 0
    private var failedCohorts = 0.0
    private var cohortSize = 1
    private var failureCredit = 0.0

    package init(limits: Limits) {
        self.limits = limits
        concurrency = limits.initial
    }

    /// A lane whose circuit was open when its state was stored.
    package init(limits: Limits, openUntilMs: Int64, openings: Int64) {
        self.init(limits: limits)
        circuit = .open(untilMs: openUntilMs)
        self.openings = openings
    }

    /// True where nothing was learned that is worth keeping in memory.
    package var isDefault: Bool {
        circuit == .closed && inFlight == 0 && concurrency >= limits.initial && failedCohorts == 0
    }

    /// True where items should wait in the store rather than in memory.
    package func isShut(nowMs: Int64) -> Bool {
        switch circuit {
        case .closed: false
        case .held(let until): until > nowMs
        case .open, .halfOpen: true
        }
    }

    /// When something may start again; nil: now, or at the end of what is in flight.
    package var nextAttemptMs: Int64? {
        switch circuit {
        case .closed, .halfOpen: nil
        case .held(let until), .open(let until): until
        }
    }

    package func canStart(nowMs: Int64) -> Bool {
        switch circuit {
        case .closed: inFlight < concurrency
        case .held(let until): until <= nowMs && inFlight < concurrency
        // What was in flight when it opened doesn't hold the probe back: it may hang for as long as it likes.
        case .open(let until): until <= nowMs
        case .halfOpen: false
        }
    }

    /// An item starts; call only where `canStart`.
    ///
    /// True: it is the probe of an open circuit.
    package mutating func start(nowMs: Int64) -> Bool {
        precondition(canStart(nowMs: nowMs), "an item was started in a lane that may not start one")
        inFlight += 1
        switch circuit {
        case .open:
            circuit = .halfOpen
            return true
        case .held: circuit = .closed
        case .closed, .halfOpen: break
        }
        return false
    }

    /// The target took an item.
    package mutating func succeed(wasProbe: Bool) {
        end()
        failedCohorts = 0
        failureCredit = 0
        openings = 0
        switch circuit {
        case .halfOpen, .open:
            // A success that was in flight when the circuit opened shows that the target lives: as good as a probe.
            circuit = .closed
            concurrency = 1
        case .closed, .held:
            // No rise unless the lane is busy: a quiet lane has shown nothing.
            if concurrency < min(limits.limit, inFlight + 1 + limits.initial) { concurrency += 1 }
        }
    }

    /// The target failed as a target (network, 5xx, rate limit).
    ///
    /// True: this opened the circuit, or kept it open.
    package mutating func fail(
        wasProbe: Bool,
        nowMs: Int64,
        retryAfterMs: Int64,
        backoff: Backoff,
        using random: inout some RandomNumberGenerator
    ) -> Bool {
        let busy = inFlight
        end()
        switch circuit {
        case .open: return true
        case .halfOpen where !wasProbe: return true
        case .halfOpen: break
        case .closed, .held:
            if failedCohorts == 0 { cohortSize = max(1, min(busy, concurrency)) }
            failedCohorts += 1 / Double(cohortSize)
            // Down at the start of a run of failures, then once a cohort ("reverse hysteresis").
            failureCredit -= 1 / Double(max(1, concurrency))
            while failureCredit < 0 {
                concurrency = max(1, concurrency - 1)
                failureCredit += 1
            }
            // The sum of n times 1/n may miss 1 by a rounding error.
            guard failedCohorts > 0.999 else { return false }
        }
        openings += 1
        failedCohorts = 0
        failureCredit = 0
        let wait = max(retryAfterMs, backoff.delayMs(attempt: openings, using: &random))
        circuit = .open(untilMs: nowMs + min(wait, max(backoff.capMs, retryAfterMs)))
        return true
    }

    /// A delivery ended in a way that says nothing of the target.
    package mutating func abandon(wasProbe: Bool, nowMs: Int64) {
        end()
        // The probe told nothing: the next start is the probe.
        if case .halfOpen = circuit, wasProbe { circuit = .open(untilMs: nowMs) }
    }

    /// Nothing starts until then; a time that has come lets the lane go on at once, an open circuit included.
    package mutating func hold(untilMs: Int64, nowMs: Int64) {
        switch circuit {
        case .closed, .held: circuit = untilMs > nowMs ? .held(untilMs: untilMs) : .closed
        case .open: circuit = .open(untilMs: untilMs)
        case .halfOpen: break
        }
    }

    private mutating func end() {
        precondition(inFlight > 0, "an item ended in a lane that has none in flight")
        inFlight -= 1
    }
}
