// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Supervisor

@Suite struct RolloutStateMachineTests {
    @Test("The old generation drains when the last new worker is ready, not before")
    func allReady() {
        var rollout = RolloutStateMachine(workers: [0, 1, 2])
        #expect(rollout.ready(1) == nil)
        #expect(rollout.ready(0) == nil)
        #expect(rollout.state == .starting(waitingFor: [2]))
        #expect(rollout.ready(2) == .drainOld)
        #expect(rollout.state == .done)
    }

    @Test("The first new worker that ends before that undoes it, one that was ready too")
    func undone() {
        var rollout = RolloutStateMachine(workers: [0, 1])
        #expect(rollout.ready(0) == nil)
        #expect(rollout.ended(cause: "signal 11") == .dropNew)
        #expect(rollout.state == .undone(reason: "signal 11"))
    }

    @Test("A worker that is ready twice, or isn't of this generation, counts for nothing")
    func strangers() {
        var rollout = RolloutStateMachine(workers: [0, 1])
        #expect(rollout.ready(0) == nil)
        #expect(rollout.ready(0) == nil)
        #expect(rollout.ready(7) == nil)
        #expect(rollout.state == .starting(waitingFor: [1]))
    }

    @Test(
        "A roll-out that is over stays as it is",
        arguments: [
            { (rollout: inout RolloutStateMachine) in _ = rollout.ready(0) },
            { (rollout: inout RolloutStateMachine) in _ = rollout.ended(cause: "first") },
        ] as [@Sendable (inout RolloutStateMachine) -> Void]
    )
    func over(_ finish: @Sendable (inout RolloutStateMachine) -> Void) {
        var rollout = RolloutStateMachine(workers: [0])
        finish(&rollout)
        let before = rollout
        #expect(rollout.ready(0) == nil)
        #expect(rollout.ended(cause: "later") == nil)
        #expect(rollout == before)
    }
}
