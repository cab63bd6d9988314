// SPDX-License-Identifier: Apache-2.0
import QueueCore
import Testing

@testable import Supervisor

@Suite struct RolloutStateMachineTests {
    private static func slot(_ index: Int) -> SlotID {
        .worker(PluginName(unchecked: "omb"), generation: 2, index: index)
    }

    private static func rollout(_ workers: Int) -> RolloutStateMachine {
        RolloutStateMachine(workers: Set((0..<workers).map(slot)))
    }

    @Test("The old generation drains when the last new worker is ready, not before")
    func allReady() {
        var rollout = Self.rollout(3)
        #expect(rollout.ready(Self.slot(1)) == nil)
        #expect(rollout.ready(Self.slot(0)) == nil)
        #expect(rollout.state == .starting(waitingFor: [Self.slot(2)]))
        #expect(rollout.ready(Self.slot(2)) == .drainOld)
        #expect(rollout.state == .done)
    }

    @Test("The first new worker that ends before that undoes it, one that was ready too")
    func undone() {
        var rollout = Self.rollout(2)
        #expect(rollout.ready(Self.slot(0)) == nil)
        #expect(rollout.ended(cause: "signal 11") == .dropNew)
        #expect(rollout.state == .undone(reason: "signal 11"))
    }

    @Test("A worker that is ready twice, or isn't of this generation, counts for nothing")
    func strangers() {
        var rollout = Self.rollout(2)
        #expect(rollout.ready(Self.slot(0)) == nil)
        #expect(rollout.ready(Self.slot(0)) == nil)
        #expect(rollout.ready(Self.slot(7)) == nil)
        #expect(rollout.state == .starting(waitingFor: [Self.slot(1)]))
    }

    @Test(
        "A roll-out that is over stays as it is",
        arguments: [
            { (rollout: inout RolloutStateMachine) in _ = rollout.ready(Self.slot(0)) },
            { (rollout: inout RolloutStateMachine) in _ = rollout.ended(cause: "first") },
        ] as [@Sendable (inout RolloutStateMachine) -> Void]
    )
    func over(_ finish: @Sendable (inout RolloutStateMachine) -> Void) {
        var rollout = Self.rollout(1)
        finish(&rollout)
        let before = rollout
        #expect(rollout.ready(Self.slot(0)) == nil)
        #expect(rollout.ended(cause: "later") == nil)
        #expect(rollout == before)
    }
}
