// SPDX-License-Identifier: Apache-2.0
import QueueCore
import Testing

@testable import PluginHost

@Suite struct HandlerCallStateMachineTests {
    private let done = Outcome(.done)
    private let retry = Outcome(.retry)

    /// A reference, so that expectations may drive it.
    private final class Driven {
        private var machine = HandlerCallStateMachine()
        var state: HandlerCallStateMachine.State { machine.state }
        func returned(_ outcome: Outcome?) -> HandlerCallStateMachine.ReturnAction { machine.returned(outcome) }
        func complete(_ outcome: Outcome) -> HandlerCallStateMachine.CompleteAction { machine.complete(outcome) }
        func giveUp() -> Bool { machine.giveUp() }
    }

    private func machine(_ prepare: (Driven) -> Void = { _ in }) -> Driven {
        let machine = Driven()
        prepare(machine)
        return machine
    }

    @Test("A returned outcome ends the delivery")
    func returned() {
        let machine = machine()
        #expect(machine.returned(done) == .finish(done))
        #expect(machine.state == .finished)
    }

    @Test("PENDING, then complete()")
    func pendingThenComplete() {
        let machine = machine()
        #expect(machine.returned(nil) == .await)
        #expect(machine.state == .pending)
        #expect(machine.complete(done) == .finish(done))
        #expect(machine.state == .finished)
    }

    @Test("complete() before handle() returns is kept until it does")
    func early() {
        let machine = machine()
        #expect(machine.complete(done) == .keep)
        #expect(machine.state == .completedEarly(done))
        #expect(machine.complete(retry) == .stale)
        #expect(machine.returned(nil) == .finish(done))
    }

    @Test("Of complete() and a returned outcome the first counts")
    func bothWays() {
        let machine = machine { _ = $0.complete(done) }
        #expect(machine.returned(retry) == .finishDroppingReturned(done))
        #expect(machine.state == .finished)
    }

    @Test("A delivery that was given up while handle() ran ends once")
    func givenUpInside() {
        let machine = machine()
        #expect(machine.giveUp())
        #expect(machine.complete(done) == .stale)
        #expect(machine.returned(done) == .none)
    }

    @Test("A pending delivery can be given up, and then nothing ends it again")
    func givenUpPending() {
        let machine = machine { _ = $0.returned(nil) }
        #expect(machine.giveUp())
        #expect(machine.complete(done) == .stale)
        #expect(!machine.giveUp())
    }

    @Test("Nothing changes a finished delivery")
    func finished() {
        let machine = machine { _ = $0.returned(done) }
        #expect(machine.complete(retry) == .stale)
        #expect(!machine.giveUp())
        #expect(machine.returned(retry) == .none)
        #expect(machine.state == .finished)
    }

    @Test("What was completed early can't be given up")
    func earlyIsKept() {
        let machine = machine { _ = $0.complete(done) }
        #expect(!machine.giveUp())
        #expect(machine.returned(nil) == .finish(done))
    }
}
