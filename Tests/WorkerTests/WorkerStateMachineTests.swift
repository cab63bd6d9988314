// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Testing

@testable import Worker

@Suite struct WorkerStateMachineTests {
    private typealias Event = WorkerStateMachine.Event
    private typealias State = WorkerStateMachine.State

    private static func machine(in state: WorkerStateMachine.State) -> WorkerStateMachine {
        var machine = WorkerStateMachine()
        let way: [WorkerStateMachine.Event] =
            switch state {
            case .waiting: []
            case .working: [.configured]
            case .draining: [.configured, .drain]
            case .condemned: [.configured, .overdue]
            case .ended: [.drain]
            }
        for event in way { _ = machine.handle(event) }
        return machine
    }

    @Test(
        "Legal moves",
        arguments: [
            (State.waiting, Event.configured, State.working, WorkerStateMachine.Action.load),
            (.waiting, .drain, .ended, .end(.drained)),
            (.waiting, .failed, .ended, .end(.failed)),
            (.working, .configured, .working, .reconfigure),
            (.working, .drain, .draining, .drainSites),
            (.working, .overdue, .condemned, .condemn),
            (.working, .failed, .ended, .end(.failed)),
            (.draining, .sitesClosed, .ended, .end(.drained)),
            (.draining, .overdue, .condemned, .condemn),
            (.draining, .failed, .ended, .end(.failed)),
            (.condemned, .momentOver, .ended, .end(.overdue)),
        ]
    )
    private func legal(from: State, event: Event, to: State, action: WorkerStateMachine.Action) {
        var machine = Self.machine(in: from)
        let found = machine.handle(event)
        #expect(found == action)
        #expect(machine.state == to)
    }

    @Test(
        "All other events change nothing",
        arguments: [
            (State.waiting, [Event.sitesClosed, .overdue, .momentOver]), (.working, [.sitesClosed, .momentOver]),
            (.draining, [.configured, .drain, .momentOver]),
            (.condemned, [.configured, .drain, .sitesClosed, .overdue, .failed]), (.ended, Event.allCases),
        ]
    )
    private func ignored(state: State, events: [Event]) {
        for event in events {
            var machine = Self.machine(in: state)
            let action = machine.handle(event)
            #expect(action == .none, "\(event)")
            #expect(machine.state == state, "\(event)")
        }
    }
}

@Suite struct LinkBackoffTests {
    @Test("Waits double from 50 ms to 200, and begin anew after a success")
    func doubles() {
        var backoff = LinkBackoff()
        let waits = (0..<8).map { _ in backoff.failed().nanoseconds / 1_000_000 }
        #expect(waits == [50, 100, 200, 200, 200, 200, 200, 200])
        backoff.succeeded()
        let next = backoff.failed()
        #expect(next == .milliseconds(50))
    }
}
