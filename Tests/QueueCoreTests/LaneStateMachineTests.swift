// SPDX-License-Identifier: Apache-2.0
import QueueCore
import Testing
import TestSupport

@Suite struct LaneStateMachineTests {
    typealias Circuit = LaneStateMachine.Circuit

    /// Four in flight at first, eight at most; waits of 1 s, 2 s, 4 s up to a minute, without jitter.
    static let limits = LaneStateMachine.Limits(initial: 4, limit: 8)
    static let backoff = Backoff(baseMs: 1000, capMs: 60_000)

    /// The lanes that the moves start from, all at time 0.
    enum Lane: CaseIterable, Sendable {
        case idle, busy, cohort, full, held, heldBusy, open, openBusy, probing, probingBusy

        var machine: LaneStateMachine {
            var machine = LaneStateMachine(limits: LaneStateMachineTests.limits)
            func start(_ count: Int, atMs now: Int64 = 0) {
                for _ in 0..<count { _ = machine.start(nowMs: now) }
            }
            switch self {
            case .idle: break
            case .busy: start(1)
            case .cohort: start(2)
            case .full: start(4)
            case .held: machine.hold(untilMs: 5000, nowMs: 0)
            case .heldBusy:
                start(1)
                machine.hold(untilMs: 5000, nowMs: 0)
            case .open:
                start(1)
                _ = LaneStateMachineTests.fail(&machine)
            case .openBusy, .probingBusy:
                // Two go out after the first failure of a cohort of two, whose second opens the circuit.
                start(2)
                _ = LaneStateMachineTests.fail(&machine)
                start(2)
                _ = LaneStateMachineTests.fail(&machine)
                if self == .probingBusy { start(1, atMs: 1000) }
            case .probing:
                start(1)
                _ = LaneStateMachineTests.fail(&machine)
                start(1, atMs: 1000)
            }
            return machine
        }
    }

    enum Input: Hashable, Sendable {
        case start, succeed, fail, abandon
        case probeSucceeds, probeFails, probeAbandoned
        case hold(untilMs: Int64)
    }

    /// What a lane becomes by an input at 10 s.
    struct Move: Sendable, CustomTestStringConvertible {
        var from: Lane
        var input: Input
        var to: Circuit

        init(_ from: Lane, _ input: Input, _ to: Circuit) { (self.from, self.input, self.to) = (from, input, to) }

        var testDescription: String { "\(from), \(input)" }
    }

    static func fail(
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

    static let moves: [Move] = [
        Move(.idle, .start, .closed),
        Move(.idle, .hold(untilMs: 20_000), .held(untilMs: 20_000)),
        Move(.idle, .hold(untilMs: 10_000), .closed),
        Move(.busy, .start, .closed),
        Move(.busy, .succeed, .closed),
        Move(.busy, .abandon, .closed),
        Move(.busy, .fail, .open(untilMs: 11_000)),
        Move(.busy, .hold(untilMs: 20_000), .held(untilMs: 20_000)),
        Move(.cohort, .fail, .closed),
        Move(.full, .fail, .closed),
        Move(.held, .start, .closed),
        Move(.held, .hold(untilMs: 20_000), .held(untilMs: 20_000)),
        Move(.held, .hold(untilMs: 9000), .closed),
        Move(.heldBusy, .start, .closed),
        Move(.heldBusy, .succeed, .held(untilMs: 5000)),
        Move(.heldBusy, .abandon, .held(untilMs: 5000)),
        Move(.heldBusy, .fail, .open(untilMs: 11_000)),
        Move(.heldBusy, .hold(untilMs: 9000), .closed),
        Move(.open, .start, .halfOpen),
        Move(.open, .hold(untilMs: 20_000), .open(untilMs: 20_000)),
        Move(.open, .hold(untilMs: 9000), .open(untilMs: 9000)),
        Move(.openBusy, .start, .halfOpen),
        Move(.openBusy, .succeed, .closed),
        Move(.openBusy, .fail, .open(untilMs: 1000)),
        Move(.openBusy, .abandon, .open(untilMs: 1000)),
        Move(.openBusy, .hold(untilMs: 20_000), .open(untilMs: 20_000)),
        Move(.probing, .probeSucceeds, .closed),
        Move(.probing, .probeFails, .open(untilMs: 12_000)),
        Move(.probing, .probeAbandoned, .open(untilMs: 10_000)),
        Move(.probing, .hold(untilMs: 20_000), .halfOpen),
        Move(.probingBusy, .succeed, .closed),
        Move(.probingBusy, .fail, .halfOpen),
        Move(.probingBusy, .abandon, .halfOpen),
        Move(.probingBusy, .probeSucceeds, .closed),
        Move(.probingBusy, .probeFails, .open(untilMs: 12_000)),
        Move(.probingBusy, .probeAbandoned, .open(untilMs: 10_000)),
        Move(.probingBusy, .hold(untilMs: 9000), .halfOpen),
    ]

    @Test("Every legal move leads where it should", arguments: moves)
    func legalMove(_ move: Move) {
        var machine = move.from.machine
        let before = machine.inFlight
        let now: Int64 = 10_000
        switch move.input {
        case .start:
            let wasOpen = if case .open = machine.circuit { true } else { false }
            let isProbe = machine.start(nowMs: now)
            #expect(isProbe == wasOpen)
            #expect(machine.inFlight == before + 1)
        case .succeed, .probeSucceeds:
            machine.succeed(wasProbe: move.input == .probeSucceeds)
            #expect(machine.openings == 0 && machine.inFlight == before - 1)
        case .fail, .probeFails:
            let opened = Self.fail(&machine, wasProbe: move.input == .probeFails, atMs: now)
            #expect(opened == (move.to != .closed))
            #expect(machine.inFlight == before - 1)
        case .abandon, .probeAbandoned:
            machine.abandon(wasProbe: move.input == .probeAbandoned, nowMs: now)
            #expect(machine.inFlight == before - 1)
        case .hold(let until):
            machine.hold(untilMs: until, nowMs: now)
            #expect(machine.inFlight == before)
        }
        #expect(machine.circuit == move.to)
    }

    /// When each lane may start something; `.max` = not before something in flight ends.
    static let startable: [(Lane, Int64)] = [
        (.idle, 0), (.busy, 0), (.cohort, 0), (.full, .max), (.held, 5000), (.heldBusy, 5000), (.open, 1000),
        (.openBusy, 1000), (.probing, .max), (.probingBusy, .max),
    ]

    @Test("Nothing starts in a lane that is full, held, open or probing", arguments: startable)
    func guardsStart(_ lane: Lane, _ time: Int64) {
        let machine = lane.machine
        for now in [Int64(0), 999, 1000, 4999, 5000, 1_000_000] {
            #expect(machine.canStart(nowMs: now) == (now >= time), "at \(now) ms")
        }
    }

    @Test("A held lane with all it may have in flight starts nothing when its time comes")
    func heldAndFull() {
        var machine = Lane.full.machine
        machine.hold(untilMs: 100, nowMs: 0)
        #expect(!machine.canStart(nowMs: 100))
        machine.succeed(wasProbe: false)
        #expect(machine.canStart(nowMs: 100) && !machine.canStart(nowMs: 99))
    }

    @Test("Shut lanes keep their items in the store, and say when to look again")
    func shut() {
        for lane in [Lane.idle, .busy, .full] {
            #expect(!lane.machine.isShut(nowMs: 0) && lane.machine.nextAttemptMs == nil)
        }
        #expect(Lane.held.machine.isShut(nowMs: 4999) && !Lane.held.machine.isShut(nowMs: 5000))
        #expect(Lane.held.machine.nextAttemptMs == 5000)
        #expect(Lane.open.machine.isShut(nowMs: 999) && Lane.open.machine.isShut(nowMs: 1000))
        #expect(Lane.open.machine.nextAttemptMs == 1000)
        #expect(Lane.probing.machine.isShut(nowMs: 1_000_000) && Lane.probing.machine.nextAttemptMs == nil)
    }

    @Test("A lane that is as it began is worth no memory; one that learned something is")
    func worthKeeping() {
        for lane in Lane.allCases { #expect(lane.machine.isDefault == (lane == .idle), "\(lane)") }
        var machine = Lane.busy.machine
        machine.succeed(wasProbe: false)
        #expect(machine.isDefault)
        machine = Lane.probing.machine
        machine.succeed(wasProbe: true)
        #expect(!machine.isDefault, "it starts slowly")
        machine = Lane.cohort.machine
        _ = Self.fail(&machine)
        machine.abandon(wasProbe: false, nowMs: 0)
        #expect(!machine.isDefault, "half a cohort failed")
    }

    @Test("Limits make sense, whatever is asked for")
    func saneLimits() {
        #expect(LaneStateMachine.Limits(initial: 0, limit: 0) == .ordered)
        #expect(LaneStateMachine.Limits(initial: -3, limit: -1) == .ordered)
        #expect(LaneStateMachine.Limits(initial: 50, limit: 10).initial == 10)
        #expect(LaneStateMachine.Limits().initial == 5 && LaneStateMachine.Limits().limit == 20)
    }
}
