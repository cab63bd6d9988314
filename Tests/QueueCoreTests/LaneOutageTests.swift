// SPDX-License-Identifier: Apache-2.0
import QueueCore
import Testing
import TestSupport

/// How a lane goes through an outage, and what holds of it whatever happens.
@Suite struct LaneOutageTests {
    private let backoff = Backoff(baseMs: 1000, capMs: 60_000)

    private func started(_ count: Int, initial: Int = 5, limit: Int = 20) -> LaneStateMachine {
        var machine = LaneStateMachine(limits: .init(initial: initial, limit: limit))
        for _ in 0..<count { _ = machine.start(nowMs: 0) }
        return machine
    }

    private func fail(
        _ machine: inout LaneStateMachine,
        wasProbe: Bool = false,
        atMs now: Int64 = 0,
        retryAfterMs: Int64 = 0
    ) -> Bool {
        var random = LongestRandom()
        return machine.fail(
            wasProbe: wasProbe,
            nowMs: now,
            retryAfterMs: retryAfterMs,
            backoff: backoff,
            using: &random
        )
    }

    @Test("A burst of failures of what was in flight together opens the circuit once, at its last", arguments: 1...20)
    func burst(_ count: Int) {
        var machine = started(count, initial: count, limit: count)
        let opened = (0..<count).map { _ in fail(&machine) }
        #expect(opened == Array(repeating: false, count: count - 1) + [true])
        #expect(machine.openings == 1 && machine.inFlight == 0)
        #expect(machine.circuit == .open(untilMs: 1000))
    }

    @Test("Late failures of an outage that is known neither open it again nor push its probe back")
    func lateFailures() {
        var machine = started(2, initial: 4)
        _ = fail(&machine)
        for _ in 0..<2 { _ = machine.start(nowMs: 0) }
        let opened = fail(&machine)
        let late = [fail(&machine, atMs: 500), fail(&machine, atMs: 900)]
        #expect(opened && late == [true, true])
        #expect(machine.openings == 1 && machine.circuit == .open(untilMs: 1000))
    }

    @Test("One success between failures begins a new run")
    func successResetsRun() {
        var machine = started(4, initial: 4)
        let first = [fail(&machine), fail(&machine), fail(&machine)]
        machine.succeed(wasProbe: false)
        _ = machine.start(nowMs: 0)
        _ = machine.start(nowMs: 0)
        let next = fail(&machine)
        #expect(first == [false, false, false] && !next)
        #expect(machine.circuit == .closed)
    }

    @Test("A run of failures takes one from the concurrency at its start, and never the last one")
    func concurrencyFalls() {
        var machine = started(4, initial: 4)
        _ = fail(&machine)
        #expect(machine.concurrency == 3)
        _ = fail(&machine)
        #expect(machine.concurrency == 3)
        var ordered = LaneStateMachine(limits: .ordered)
        _ = ordered.start(nowMs: 0)
        _ = fail(&ordered)
        #expect(ordered.concurrency == 1)
    }

    @Test("Probes that fail double the wait, up to the cap; one that passes resets it")
    func probes() {
        var machine = started(1)
        _ = fail(&machine)
        var now: Int64 = 0
        var waits: [Int64] = []
        for _ in 0..<9 {
            let next = machine.nextAttemptMs ?? now
            waits.append(next - now)
            now = next
            let isProbe = machine.start(nowMs: now)
            let stillOpen = fail(&machine, wasProbe: isProbe, atMs: now)
            #expect(isProbe && stillOpen)
        }
        #expect(waits == [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000])
        #expect(machine.openings == 10)
        now = machine.nextAttemptMs ?? now
        _ = machine.start(nowMs: now)
        machine.succeed(wasProbe: true)
        #expect(machine.openings == 0 && machine.circuit == .closed)
        _ = machine.start(nowMs: now)
        _ = fail(&machine, atMs: now)
        #expect(machine.nextAttemptMs == now + 1000)
    }

    @Test("A half-open circuit has one probe, and starts nothing else until that ends")
    func oneProbe() {
        var machine = started(1)
        _ = fail(&machine)
        let isProbe = machine.start(nowMs: 1000)
        #expect(isProbe && machine.circuit == .halfOpen)
        #expect(!machine.canStart(nowMs: 1000) && !machine.canStart(nowMs: .max))
        machine.abandon(wasProbe: true, nowMs: 2000)
        #expect(machine.canStart(nowMs: 2000))
        let isNextProbe = machine.start(nowMs: 2000)
        #expect(isNextProbe, "a probe that told nothing is followed by another")
    }

    @Test("After a probe passes the lane starts slowly: one in flight, then one more with each success")
    func slowStart() {
        var machine = started(1)
        _ = fail(&machine)
        _ = machine.start(nowMs: 1000)
        machine.succeed(wasProbe: true)
        var allowed: [Int] = []
        for _ in 0..<6 {
            allowed.append(machine.concurrency)
            while machine.canStart(nowMs: 1000) { _ = machine.start(nowMs: 1000) }
            #expect(machine.inFlight == machine.concurrency)
            machine.succeed(wasProbe: false)
        }
        #expect(allowed == [1, 2, 3, 4, 5, 6])
    }

    @Test("A busy lane rises to its limit and not beyond; a quiet one stays near where it began")
    func rise() {
        var busy = started(0)
        for _ in 0..<100 {
            while busy.canStart(nowMs: 0) { _ = busy.start(nowMs: 0) }
            busy.succeed(wasProbe: false)
        }
        #expect(busy.concurrency == 20)
        var quiet = started(0)
        for _ in 0..<100 {
            _ = quiet.start(nowMs: 0)
            quiet.succeed(wasProbe: false)
        }
        #expect(quiet.concurrency == 6)
    }

    @Test("Retry-After moves the lane's clock, also beyond the cap; a shorter one doesn't shorten the backoff")
    func retryAfter() {
        var machine = started(1)
        _ = fail(&machine, atMs: 100, retryAfterMs: 300_000)
        #expect(machine.circuit == .open(untilMs: 300_100))
        #expect(!machine.canStart(nowMs: 300_099) && machine.canStart(nowMs: 300_100))
        var short = started(1)
        _ = fail(&short, retryAfterMs: 10)
        #expect(short.circuit == .open(untilMs: 1000))
    }

    @Test("A hold stops the lane until its time, a new one replaces it, and one that has passed lifts it")
    func hold() {
        var machine = started(1)
        machine.hold(untilMs: 500, nowMs: 0)
        #expect(!machine.canStart(nowMs: 499) && machine.canStart(nowMs: 500))
        machine.hold(untilMs: 900, nowMs: 0)
        #expect(!machine.canStart(nowMs: 500) && machine.nextAttemptMs == 900)
        machine.hold(untilMs: 0, nowMs: 0)
        #expect(machine.canStart(nowMs: 0) && machine.circuit == .closed)
    }

    @Test("Lifting the hold of an open lane lets its probe go at once, and keeps what is known of the outage")
    func unholdOpen() {
        var machine = started(1)
        _ = fail(&machine)
        machine.hold(untilMs: 5, nowMs: 5)
        #expect(machine.canStart(nowMs: 5) && machine.openings == 1)
        let isProbe = machine.start(nowMs: 5)
        #expect(isProbe)
    }

    @Test("A lane whose circuit was open when it was stored waits, probes, and goes on counting")
    func restored() {
        var machine = LaneStateMachine(limits: .init(), openUntilMs: 7000, openings: 3)
        #expect(!machine.canStart(nowMs: 6999) && machine.isShut(nowMs: 6999))
        let isProbe = machine.start(nowMs: 7000)
        _ = fail(&machine, wasProbe: true, atMs: 7000)
        #expect(isProbe && machine.openings == 4 && machine.circuit == .open(untilMs: 15_000))
    }

    @Test("Whatever happens, a lane keeps its promises", arguments: [1, 2, 5, 20])
    func randomWalk(_ limit: Int) {
        var random = SeededRandom()
        var walk = LaneWalk(limits: .init(initial: min(5, limit), limit: limit), backoff: backoff)
        for _ in 0..<20_000 { walk.step(using: &random) }
        #expect(walk.broken.isEmpty, "\(walk.broken)")
        #expect(walk.probes > 50 && walk.closings > 10, "the walk saw outages")
    }
}
