// SPDX-License-Identifier: Apache-2.0
import QueueCore
import Testing

@testable import Supervisor

@Suite struct RolloutStateMachineTests {
    private static func worker(_ index: Int) -> SlotID {
        .worker(PluginName(unchecked: "p"), generation: 2, index: index)
    }
    private let first = Self.worker(0)
    private let second = Self.worker(1)
    private let third = Self.worker(2)
    private static let queue = QueueName(unchecked: "out")

    private func rollout(
        side: [SlotID]? = nil,
        late: [SlotID] = [],
        isNewCode: Bool = true,
        isWatched: Bool = true
    ) -> RolloutStateMachine {
        let side = side ?? [first, second, third]
        return RolloutStateMachine(side: side, late: late, isNewCode: isNewCode, isWatched: isWatched)
    }

    // MARK: Without a canary

    @Test("Without a canary the old generation drains when the last new worker is ready, not before")
    func allReady() {
        var rollout = rollout(isWatched: false)
        #expect(rollout.canary == nil && rollout.firstAction == nil)
        #expect([first, second, third].allSatisfy(rollout.wants))
        #expect(rollout.ready(second) == nil)
        #expect(rollout.ready(first) == nil)
        #expect(rollout.state == .starting(waitingFor: [third]))
        #expect(rollout.ready(third) == .finish)
        #expect(rollout.state == .done)
    }

    @Test("Code that is the same as before needs no canary, and isn't to blame for a site")
    func sameCode() {
        var rollout = rollout(isNewCode: false)
        #expect(rollout.canary == nil)
        #expect(rollout.siteFailed("alice") == nil)
        #expect(rollout.ready(first) == nil)
        #expect(rollout.ready(second) == nil)
        #expect(rollout.ready(third) == .finish)
    }

    @Test("The first new worker that ends before all are ready undoes it, one that was ready too")
    func undone() {
        var rollout = rollout(isWatched: false)
        #expect(rollout.ready(first) == nil)
        #expect(rollout.ended(cause: "signal 11") == .dropNew)
        #expect(rollout.state == .undone(reason: "signal 11"))
        #expect(!rollout.wants(first) && !rollout.wants(second))
    }

    @Test("A worker that is ready twice, or isn't of this generation, counts for nothing")
    func strangers() {
        var rollout = rollout(side: [first, second], isWatched: false)
        #expect(rollout.ready(first) == nil)
        #expect(rollout.ready(first) == nil)
        #expect(rollout.ready(Self.worker(7)) == nil)
        #expect(rollout.state == .starting(waitingFor: [second]))
    }

    // MARK: The canary

    @Test("The canary is alone until its time is up; then the rest start, then the old ones drain")
    func canary() {
        var rollout = rollout()
        #expect(rollout.canary == first)
        #expect(rollout.wants(first) && !rollout.wants(second) && !rollout.wants(third))
        #expect(rollout.timeUp() == nil, "its time begins when it is ready")
        #expect(rollout.ready(first) == .watch)
        #expect(rollout.isWatching && !rollout.wants(second))
        #expect(rollout.timeUp() == .startRest)
        #expect(!rollout.isWatching && rollout.wants(second) && rollout.wants(third))
        #expect(rollout.ready(second) == nil)
        #expect(rollout.ready(third) == .finish)
    }

    @Test("A canary that is the only worker takes over when its time is up")
    func onlyCanary() {
        var rollout = rollout(side: [first])
        #expect(rollout.ready(first) == .watch)
        #expect(rollout.timeUp() == .finish)
        #expect(rollout.state == .done)
    }

    @Test("So many good deliveries are enough, before the time is up")
    func enough() {
        var rollout = rollout()
        #expect(rollout.ready(first) == .watch)
        let old = CanaryJudgement.Baseline(meanwhile: [Self.queue: OutcomeTally(done: 900)])
        #expect(rollout.observed([Self.queue: OutcomeTally(done: 199)], against: old) == nil)
        #expect(rollout.observed([Self.queue: OutcomeTally(done: 200)], against: old) == .startRest)
    }

    @Test("A canary that fails clearly more often is dropped, and why is said")
    func failing() {
        var rollout = rollout()
        #expect(rollout.ready(first) == .watch)
        let old = CanaryJudgement.Baseline(meanwhile: [Self.queue: OutcomeTally(done: 900)])
        #expect(rollout.observed([Self.queue: OutcomeTally(done: 0, failed: 4)], against: old) == nil)
        #expect(rollout.observed([Self.queue: OutcomeTally(done: 10, failed: 300)], against: old) == .dropNew)
        guard case .undone(let reason) = rollout.state else {
            Issue.record("\(rollout.state)")
            return
        }
        #expect(reason.hasPrefix("queue out: 300 of 310 deliveries failed"))
    }

    @Test("A canary that dies, or can't open a site, is dropped, before it is ready and after")
    func canaryFails() {
        for isReady in [false, true] {
            for isDeath in [false, true] {
                var rollout = rollout()
                if isReady { #expect(rollout.ready(first) == .watch) }
                let action = isDeath ? rollout.ended(cause: "why") : rollout.siteFailed("why")
                #expect(action == .dropNew)
                #expect(rollout.state == .undone(reason: "why"))
            }
        }
    }

    // MARK: Singletons

    @Test("A singleton's worker isn't wanted before the old generation drains")
    func singletonIsLate() {
        var rollout = rollout(side: [second], late: [first])
        #expect(rollout.canary == second)
        #expect(!rollout.wants(first))
        #expect(rollout.ready(second) == .watch)
        #expect(!rollout.wants(first))
        #expect(rollout.timeUp() == .handOver)
        #expect(rollout.wants(first) && rollout.wants(second))
        #expect(rollout.ready(second) == nil)
        #expect(rollout.ready(first) == .finish)
    }

    @Test("With several beside it, it still comes last")
    func singletonAfterRest() {
        var rollout = rollout(side: [second, third], late: [first], isWatched: false)
        #expect(!rollout.wants(first))
        #expect(rollout.ready(second) == nil)
        #expect(!rollout.wants(first))
        #expect(rollout.ready(third) == .handOver)
        #expect(rollout.ready(first) == .finish)
    }

    @Test("Where all workers are singletons the old ones drain first, and the new one is watched alone")
    func onlySingletons() {
        var rollout = rollout(side: [], late: [first])
        #expect(rollout.firstAction == .handOver && rollout.canary == first)
        #expect(rollout.ready(first) == .watch)
        #expect(rollout.state == .proving)
        #expect(rollout.timeUp() == .finish)
    }

    @Test("A singleton's worker that can't work brings the old code back")
    func singletonFails() {
        var dying = rollout(side: [second], late: [first], isWatched: false)
        #expect(dying.ready(second) == .handOver)
        #expect(dying.ended(cause: "signal 6") == .startOld)
        #expect(dying.state == .rolledBack(reason: "signal 6"))
        #expect(!dying.wants(first) && !dying.wants(second))

        var closed = rollout(side: [], late: [first], isWatched: false)
        #expect(closed.siteFailed("site alice") == .startOld)

        var failing = rollout(side: [], late: [first])
        #expect(failing.ready(first) == .watch)
        let old = CanaryJudgement.Baseline(ever: [Self.queue: OutcomeTally(done: 900)])
        #expect(failing.observed([Self.queue: OutcomeTally(failed: 30)], against: old) == .startOld)
    }

    // MARK: A newer file

    @Test("Until the old generation drains a newer file takes its place at once, and nothing is said against it")
    func superseded() {
        var rollout = rollout()
        #expect(rollout.canGiveWay && rollout.isOldAtWork)
        #expect(rollout.ready(first) == .watch)
        var watching = rollout
        #expect(watching.superseded() == .giveWay && watching.state == .gaveWay)
        #expect(![first, second, third].contains(where: watching.wants) && !watching.isWatching)
        #expect(watching.superseded() == nil && !watching.canGiveWay)
        #expect(rollout.timeUp() == .startRest)
        #expect(rollout.isOldAtWork)
        #expect(rollout.superseded() == .giveWay)
    }

    @Test(
        "While one generation hands over to the other it has to wait; a new singleton that is being watched gives way"
    )
    func supersededSingleton() {
        var rollout = rollout(side: [], late: [first])
        #expect(!rollout.canGiveWay && rollout.superseded() == nil)
        #expect(rollout.ready(first) == .watch)
        #expect(rollout.canGiveWay && !rollout.isOldAtWork)
        #expect(rollout.superseded() == .giveWay)
        var over = self.rollout(side: [first], isWatched: false)
        #expect(over.ready(first) == .finish)
        #expect(over.superseded() == nil && over.state == .done)
    }

    // MARK: Another configuration

    @Test("It doesn't wait for a worker that isn't to be any more, and waits for one that came")
    func replanned() {
        var fewer = rollout(isWatched: false)
        #expect(fewer.ready(first) == nil && fewer.ready(second) == nil)
        #expect(fewer.replan(side: [first, second], late: []) == .finish)
        var more = rollout(side: [first], late: [], isWatched: false)
        #expect(more.replan(side: [first, second], late: []) == nil)
        #expect(more.ready(first) == nil && more.ready(second) == .finish)
        var same = rollout()
        let before = same
        #expect(same.replan(side: [first, second, third], late: []) == nil && same == before)
        #expect(same.replan(side: [], late: []) == nil && same == before)
    }

    @Test("Another worker is the canary where the one that was is gone, and its time begins anew")
    func otherCanary() {
        var rollout = rollout(side: [first, second])
        #expect(rollout.ready(first) == .watch)
        #expect(rollout.replan(side: [first, second, third], late: []) == nil && rollout.isWatching)
        #expect(rollout.replan(side: [second, third], late: []) == nil)
        #expect(rollout.canary == second && rollout.state == .startingCanary)
        #expect(rollout.ready(second) == .watch)
        #expect(rollout.timeUp() == .startRest)
        #expect(rollout.ready(third) == .finish)
    }

    @Test("Where only singletons are left, or other ones, they come in their turn")
    func replannedSingletons() {
        var onlyLate = rollout(side: [second], late: [first])
        #expect(onlyLate.replan(side: [], late: [first]) == .handOver)
        var handing = rollout(side: [], late: [first, second], isWatched: false)
        #expect(handing.ready(first) == nil)
        #expect(handing.replan(side: [], late: [first]) == .finish)
        var proving = rollout(side: [], late: [first])
        #expect(proving.ready(first) == .watch)
        #expect(proving.replan(side: [], late: [second]) == nil)
        #expect(proving.canary == second && proving.ready(second) == .watch)
    }

    // MARK: The end

    @Test(
        "A roll-out that is over stays as it is",
        arguments: [
            { rollout in _ = rollout.ready(RolloutStateMachineTests.worker(0)) },
            { rollout in _ = rollout.ended(cause: "first") },
            { rollout in _ = rollout.superseded() },
        ] as [@Sendable (inout RolloutStateMachine) -> Void]
    )
    func over(_ finish: @Sendable (inout RolloutStateMachine) -> Void) {
        var rollout = rollout(side: [first], isWatched: false)
        finish(&rollout)
        let before = rollout
        #expect(rollout.ready(first) == nil)
        #expect(rollout.ended(cause: "later") == nil)
        #expect(rollout.siteFailed("later") == nil)
        #expect(rollout.timeUp() == nil)
        #expect(rollout.superseded() == nil)
        #expect(rollout.replan(side: [second], late: []) == nil)
        #expect(rollout.observed([Self.queue: OutcomeTally(done: 999)], against: .init()) == nil)
        #expect(rollout.state == before.state)
    }
}
