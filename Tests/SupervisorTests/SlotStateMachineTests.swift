// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Supervisor

@Suite struct SlotStateMachineTests {
    typealias State = SlotStateMachine.State
    typealias Input = SlotStateMachine.Input
    typealias Action = SlotStateMachine.Action

    struct Move: Sendable, CustomTestStringConvertible {
        var from: State
        var input: Input
        var to: State
        var action: Action?

        init(_ from: State, _ input: Input, _ to: State, _ action: Action? = nil) {
            (self.from, self.input, self.to, self.action) = (from, input, to, action)
        }

        var testDescription: String { "\(from), \(input)" }
    }

    static let ready = State.ready(since: .seconds(10))
    static let refilled = State.killed(isRefilled: true)
    static let final = State.killed(isRefilled: false)
    static let ended = Input.ended(at: .seconds(11))

    static let legal: [Move] = [
        Move(.waiting, .spawned, .starting),
        Move(.waiting, .spawnFailed, .waiting, .spawn(after: .seconds(1))),
        Move(.waiting, .drain, .dead, .remove),
        Move(.waiting, .hurry, .dead, .remove),
        Move(.starting, .ready(at: .seconds(10)), ready),
        Move(.starting, .drain, .draining, .sendDrain),
        Move(.starting, .hang, refilled, .kill),
        Move(.starting, .hurry, final, .kill),
        Move(.starting, ended, .waiting, .spawn(after: .seconds(1))),
        Move(ready, .drain, .draining, .sendDrain),
        Move(ready, .hang, refilled, .kill),
        Move(ready, .hurry, final, .kill),
        Move(ready, ended, .waiting, .spawn(after: .seconds(1))),
        Move(.draining, .hang, final, .kill),
        Move(.draining, .hurry, final, .kill),
        Move(.draining, ended, .dead, .remove),
        Move(refilled, .drain, final),
        Move(refilled, .hurry, final),
        Move(refilled, ended, .waiting, .spawn(after: .seconds(1))),
        Move(final, ended, .dead, .remove),
    ]

    static let illegal: [Move] = {
        let states = [State.waiting, .starting, ready, .draining, refilled, final, .dead]
        let inputs = [Input.spawned, .spawnFailed, .ready(at: .seconds(10)), ended, .drain, .hurry, .hang]
        return states.flatMap { state in inputs.map { Move(state, $0, state) } }
            .filter { move in !legal.contains { $0.from == move.from && $0.input == move.input } }
    }()

    @Test("Every legal move leads where it should and asks for what it should", arguments: legal)
    func legalMove(_ move: Move) {
        var machine = SlotStateMachine(state: move.from, spawnDelay: .seconds(1))
        #expect(machine.handle(move.input) == move.action)
        #expect(machine.state == move.to)
    }

    @Test("Every other move changes nothing and asks for nothing", arguments: illegal)
    func illegalMove(_ move: Move) {
        var machine = SlotStateMachine(state: move.from, spawnDelay: .seconds(1))
        let before = machine
        #expect(machine.handle(move.input) == nil)
        #expect(machine == before)
    }

    @Test("The tables hold every pair of a state and an input")
    func tablesAreComplete() { #expect(Self.legal.count + Self.illegal.count == 7 * 7) }

    @Test("A slot that keeps dying waits longer each time; after a minute of health it waits as at first")
    func backoff() {
        var machine = SlotStateMachine(spawnDelay: .seconds(1))
        var waits: [Action?] = []
        for lifetime in [0, 1, 2, 60, 0] {
            _ = machine.handle(.spawned)
            _ = machine.handle(.ready(at: .seconds(100)))
            waits.append(machine.handle(.ended(at: .seconds(100 + lifetime))))
        }
        #expect(waits == [1, 2, 4, 1, 2].map { .spawn(after: .seconds($0)) })
    }

    @Test("Only states with a process say that they have one")
    func hasProcess() {
        let with = [State.starting, Self.ready, .draining, Self.refilled, Self.final]
        for state in with { #expect(SlotStateMachine(state: state, spawnDelay: .zero).hasProcess) }
        for state in [State.waiting, .dead] { #expect(!SlotStateMachine(state: state, spawnDelay: .zero).hasProcess) }
    }
}
