// SPDX-License-Identifier: Apache-2.0
import QueueCore
import Testing
import TestSupport

@Suite struct RetryBudgetTests {
    /// Takes as many as there are at `nowMs`.
    private func drain(_ budget: inout RetryBudget, nowMs: Int64) -> Int {
        var count = 0
        while budget.take(nowMs: nowMs) { count += 1 }
        return count
    }

    @Test("It starts full, and gives no more than it has")
    func startsFull() {
        var budget = RetryBudget(nowMs: 1000)
        let taken = drain(&budget, nowMs: 1000)
        #expect(taken == 200)
    }

    @Test("Fresh sends earn a share of retries")
    func share() {
        var budget = RetryBudget(share: 0.25, floorPerSecond: 50, capacity: 10, nowMs: 0)
        _ = drain(&budget, nowMs: 0)
        for _ in 0..<3 { budget.sent() }
        let early = budget.take(nowMs: 0)
        budget.sent()
        let afterFour = budget.take(nowMs: 0)
        let again = budget.take(nowMs: 0)
        #expect(!early && afterFour && !again)
    }

    @Test("Time earns a floor of retries, so that an idle host tries again too")
    func floor() {
        var budget = RetryBudget(share: 0, floorPerSecond: 50, capacity: 200, nowMs: 0)
        _ = drain(&budget, nowMs: 0)
        let afterSecond = drain(&budget, nowMs: 1000)
        #expect(afterSecond == 50)
    }

    @Test("waitMs says when the next retry may go, and then it may")
    func wait() {
        var budget = RetryBudget(share: 0.25, floorPerSecond: 50, capacity: 2, nowMs: 0)
        #expect(budget.waitMs() == 0)
        _ = drain(&budget, nowMs: 0)
        #expect(budget.waitMs() == 20)
        let before = budget.take(nowMs: 10)
        let then = budget.take(nowMs: 10 + budget.waitMs())
        #expect(!before && then)
    }

    @Test("Neither sends nor time fill it beyond its capacity")
    func capacity() {
        var budget = RetryBudget(share: 0.2, floorPerSecond: 50, capacity: 3, nowMs: 0)
        for _ in 0..<1000 { budget.sent() }
        let first = drain(&budget, nowMs: 0)
        let afterDay = drain(&budget, nowMs: 86_400_000)
        #expect(first == 3 && afterDay == 3)
    }

    @Test("A clock that goes back adds nothing and takes nothing")
    func clockGoesBack() {
        var budget = RetryBudget(share: 0, floorPerSecond: 50, capacity: 10, nowMs: 100_000)
        let first = budget.take(nowMs: 100_000)
        let rest = drain(&budget, nowMs: 50_000)
        #expect(first && rest == 9)
    }

    @Test("Over a random day retries stay within the start, the floor and the share of sends")
    func randomDay() {
        var random = SeededRandom()
        let start: Int64 = 1_700_000_000_000
        var budget = RetryBudget(nowMs: start)
        var (now, sends, retries) = (start, 0, 0)
        for _ in 0..<50_000 {
            switch Int.random(in: 0..<4, using: &random) {
            case 0: now += Int64.random(in: 0...20, using: &random)
            case 1:
                budget.sent()
                sends += 1
            default: if budget.take(nowMs: now) { retries += 1 }
            }
        }
        let allowed =
            budget.capacity + Double(sends) * budget.share + Double(now - start) / 1000 * budget.floorPerSecond
        #expect(Double(retries) <= allowed + 0.001)
        #expect(retries > 1000)
    }
}
