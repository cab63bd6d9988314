// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Supervisor

@Suite struct ReplacementStateMachineTests {
    typealias Machine = ReplacementStateMachine
    typealias State = Machine.State
    typealias Event = Machine.Event

    private static func machine(in state: State) -> Machine {
        var machine = Machine(endsFirst: state == .closing)
        if state == .done { _ = machine.handle(.newReady) }
        if state == .failed { _ = machine.handle(.newEnded) }
        return machine
    }

    @Test(
        "Legal moves",
        arguments: [
            (State.starting, Event.newReady, State.done, Machine.Action.succeed),
            (.starting, .oldEnded, .done, .succeed),
            (.starting, .newEnded, .failed, .giveUp),
            (.closing, .oldEnded, .done, .succeed),
        ]
    )
    func legal(from: State, event: Event, to: State, action: Machine.Action) {
        var machine = Self.machine(in: from)
        let found = machine.handle(event)
        #expect(found == action)
        #expect(machine.state == to)
    }

    @Test(
        "All other events change nothing",
        arguments: [
            (State.closing, [Event.newReady, .newEnded]), (.done, Event.allCases), (.failed, Event.allCases),
        ]
    )
    func ignored(state: State, events: [Event]) {
        for event in events {
            var machine = Self.machine(in: state)
            let found = machine.handle(event)
            #expect(found == nil && machine.state == state, "\(event)")
        }
    }

    @Test("The new process is there before the old one goes; with a singleton it comes after")
    func wanted() {
        var renewals = Renewals()
        #expect(renewals.wanted == [0])
        let hasBegun = renewals.begin(endsFirst: false, livedFor: .seconds(90), now: .seconds(100))
        #expect(hasBegun && renewals.wanted == [0, 1])
        _ = renewals.handle(.newReady)
        #expect(renewals.wanted == [1])
        let again = renewals.begin(endsFirst: true, livedFor: .seconds(90), now: .seconds(190))
        #expect(again && renewals.wanted.isEmpty)
        _ = renewals.handle(.oldEnded)
        #expect(renewals.wanted == [2])
    }

    @Test("Where the new one can't start the old one goes on")
    func failed() {
        var renewals = Renewals()
        _ = renewals.begin(endsFirst: false, livedFor: .seconds(90), now: .zero)
        let action = renewals.handle(.newEnded)
        #expect(action == .giveUp && renewals.wanted == [0] && renewals.replacement == nil)
    }

    @Test("One at a time; and one that grows at once is replaced ever later, until it lives for a minute")
    func backoff() {
        var renewals = Renewals()
        var now = Duration.seconds(10)
        var waits: [Duration] = []
        for _ in 0..<12 {
            let begun = now
            while true {
                let hasBegun = renewals.begin(endsFirst: false, livedFor: .zero, now: now)
                if hasBegun { break }
                now += .milliseconds(100)
            }
            waits.append(now - begun)
            let twice = renewals.begin(endsFirst: false, livedFor: .zero, now: now + .seconds(1000))
            #expect(!twice)
            _ = renewals.handle(.newReady)
        }
        #expect(waits.first == .zero && waits.last == .seconds(60))
        #expect(zip(waits, waits.dropFirst()).allSatisfy { $0 <= $1 })
        // The last one that was begun lived for a minute and more: the one after it has no history.
        now += .seconds(90)
        let healthy = renewals.begin(endsFirst: false, livedFor: .seconds(90), now: now)
        #expect(healthy)
        _ = renewals.handle(.newReady)
        let next = renewals.begin(endsFirst: false, livedFor: .zero, now: now)
        #expect(next)
    }
}
