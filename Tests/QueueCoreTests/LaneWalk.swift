// SPDX-License-Identifier: Apache-2.0
import QueueCore
import TestSupport

/// Drives a lane at random and notes which promises it broke.
struct LaneWalk {
    private let backoff: Backoff
    private var machine: LaneStateMachine
    private var now: Int64 = 0
    /// The target takes nothing.
    private var isDown = false
    /// One entry an item in flight: whether it is a probe.
    private var inFlight: [Bool] = []
    private(set) var broken: Set<String> = []
    private(set) var probes = 0
    private(set) var closings = 0

    init(limits: LaneStateMachine.Limits, backoff: Backoff) {
        machine = LaneStateMachine(limits: limits)
        self.backoff = backoff
    }

    private mutating func check(_ holds: Bool, _ promise: String) {
        if !holds { broken.insert(promise) }
    }

    mutating func step(using random: inout SeededRandom) {
        if Int.random(in: 0..<200, using: &random) == 0 { isDown.toggle() }
        let before = machine.circuit
        switch Int.random(in: 0..<12, using: &random) {
        case 0: now += Int64.random(in: 0...2000, using: &random)
        case 1:
            // Past whatever it waits for, sometimes.
            if Bool.random(using: &random), let next = machine.nextAttemptMs { now = max(now, next) }
        case 2: hold(using: &random)
        case 3..<8: start()
        default:
            if let index = inFlight.indices.randomElement(using: &random) {
                let isProbe = inFlight.remove(at: index)
                end(isProbe, before, using: &random)
            }
        }
        check(machine.inFlight == inFlight.count, "what is in flight is counted")
        check(machine.concurrency >= 1 && machine.concurrency <= machine.limits.limit, "concurrency within its limits")
        if machine.circuit == .halfOpen { check(!machine.canStart(nowMs: .max), "one probe at a time") }
        if machine.limits == .ordered { check(inFlight.count <= 1, "an ordered lane has one in flight") }
    }

    private mutating func start() {
        let wasOpen = if case .open = machine.circuit { true } else { false }
        guard machine.canStart(nowMs: now) else { return }
        if let next = machine.nextAttemptMs { check(next <= now, "nothing starts before its time") }
        let isProbe = machine.start(nowMs: now)
        check(isProbe == wasOpen, "the first start of an open circuit is its probe")
        inFlight.append(isProbe)
        if isProbe {
            probes += 1
            check(machine.circuit == .halfOpen, "a probe makes it half open")
        } else {
            check(inFlight.count <= machine.concurrency, "no more in flight than the concurrency")
        }
    }

    private mutating func hold(using random: inout SeededRandom) {
        let until = now + Int64.random(in: -1000...3000, using: &random)
        machine.hold(untilMs: until, nowMs: now)
        if until > now, machine.circuit != .halfOpen { check(!machine.canStart(nowMs: now), "a hold holds") }
    }

    private mutating func end(
        _ isProbe: Bool,
        _ before: LaneStateMachine.Circuit,
        using random: inout SeededRandom
    ) {
        // While the target is down nothing succeeds.
        switch isDown ? Int.random(in: 3...6, using: &random) : Int.random(in: 0...4, using: &random) {
        case 0...2:
            machine.succeed(wasProbe: isProbe)
            check(machine.openings == 0, "a success ends the count of openings")
            switch before {
            case .open, .halfOpen:
                closings += 1
                check(machine.circuit == .closed && machine.concurrency == 1, "a slow start after an outage")
            case .closed, .held: check(machine.circuit == before, "a success alone lifts no hold")
            }
        case 3: machine.abandon(wasProbe: isProbe, nowMs: now)
        default: fail(isProbe, before, using: &random)
        }
    }

    private mutating func fail(
        _ isProbe: Bool,
        _ before: LaneStateMachine.Circuit,
        using random: inout SeededRandom
    ) {
        let openings = machine.openings
        let retryAfter = Bool.random(using: &random) ? Int64.random(in: 0...90_000, using: &random) : 0
        let opened = machine.fail(
            wasProbe: isProbe,
            nowMs: now,
            retryAfterMs: retryAfter,
            backoff: backoff,
            using: &random
        )
        let isShut = machine.circuit == .halfOpen || machine.nextAttemptMs != nil && machine.circuit != before
        switch before {
        case .open: check(opened && machine.circuit == before, "a late failure changes nothing")
        case .halfOpen where !isProbe: check(opened && machine.circuit == before, "others don't end a probe")
        case .halfOpen, .closed, .held:
            check(opened == isShut, "it tells that it opened")
            guard opened, let next = machine.nextAttemptMs else { return }
            check(machine.openings == openings + 1, "an opening counts once")
            check(next >= now + retryAfter, "Retry-After is respected")
            check(next > now && next <= now + max(backoff.capMs, retryAfter), "the wait is within its cap")
        }
    }
}
