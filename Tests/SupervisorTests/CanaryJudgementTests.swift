// SPDX-License-Identifier: Apache-2.0
import QueueCore
import TestSupport
import Testing

@testable import Supervisor

@Suite struct CanaryJudgementTests {
    private static let queue = QueueName(unchecked: "ombout")

    @Test(
        "Clearly worse is a difference that is large, and not by chance",
        arguments: [
            // new done, new failed, old done, old failed, worse
            (0, 20, 400, 0, true), (0, 20, 0, 400, false), (15, 5, 400, 0, true), (16, 4, 400, 0, false),
            (3, 6, 400, 0, false), (5, 5, 400, 0, true), (0, 200, 9, 0, false), (0, 10, 10, 0, true),
            (80, 20, 800, 100, false), (60, 40, 800, 100, true), (950, 50, 10_000, 0, false),
            (8, 5, 10, 2, false), (10_000, 0, 0, 400, false), (0, 0, 400, 0, false),
        ]
    )
    func worse(newDone: Int, newFailed: Int, oldDone: Int, oldFailed: Int, isWorse: Bool) {
        let new = OutcomeTally(done: newDone, failed: newFailed)
        let old = OutcomeTally(done: oldDone, failed: oldFailed)
        #expect(CanaryJudgement.isClearlyWorse(new, than: old) == isWorse)
    }

    @Test("Code that is as good as the old is undone by chance in less than one of a hundred roll-outs")
    func chance() {
        var random = SeededRandom()
        var undone = 0
        let rollouts = 4000
        for _ in 0..<rollouts {
            var (new, old) = (OutcomeTally(), OutcomeTally())
            // A look every half second, ten items of it the canary's.
            for _ in 0..<20 {
                for _ in 0..<10 { new.count(Int.random(in: 0..<100, using: &random) < 20 ? .retry : .done) }
                for _ in 0..<30 { old.count(Int.random(in: 0..<100, using: &random) < 20 ? .retry : .done) }
                guard CanaryJudgement.isClearlyWorse(new, than: old) else { continue }
                undone += 1
                break
            }
        }
        #expect(undone < rollouts / 100, "\(undone) of \(rollouts)")
    }

    @Test("The old workers' figures of the same minutes count; where there are too few, those of their whole life do")
    func baselines() throws {
        let new = [Self.queue: OutcomeTally(done: 0, failed: 40)]
        let well = OutcomeTally(done: 5000, failed: 0)
        let outage = CanaryJudgement.Baseline(
            meanwhile: [Self.queue: OutcomeTally(done: 0, failed: 40)],
            ever: [Self.queue: well]
        )
        #expect(CanaryJudgement.complaint(of: new, against: outage) == nil, "an outage that all see")
        let quiet = CanaryJudgement.Baseline(
            meanwhile: [Self.queue: OutcomeTally(done: 0, failed: 3)],
            ever: [Self.queue: well]
        )
        let line = try #require(CanaryJudgement.complaint(of: new, against: quiet))
        #expect(line == "queue ombout: 40 of 40 deliveries failed, of the old code's 0 of 5000")
        #expect(CanaryJudgement.complaint(of: new, against: CanaryJudgement.Baseline()) == nil, "a queue that is new")
        let other = CanaryJudgement.Baseline(meanwhile: [QueueName(unchecked: "omb"): well])
        #expect(CanaryJudgement.complaint(of: new, against: other) == nil, "another queue says nothing")
    }

    @Test("Worse on one queue is enough, however well the others do")
    func oneQueue() throws {
        let new = [
            QueueName(unchecked: "a"): OutcomeTally(done: 1000, failed: 0),
            QueueName(unchecked: "b"): OutcomeTally(done: 0, failed: 12),
        ]
        let meanwhile = new.mapValues { _ in OutcomeTally(done: 100, failed: 1) }
        let line = try #require(CanaryJudgement.complaint(of: new, against: .init(meanwhile: meanwhile)))
        #expect(line == "queue b: 12 of 12 deliveries failed, of the old code's 1 of 101 in the same time")
    }

    @Test("What was given back unhandled is no failure")
    func counted() {
        var tally = OutcomeTally()
        for code in [OutcomeCode.done, .continue, .retry, .defer, .discard, .overdue, .giveBack] { tally.count(code) }
        #expect(tally == OutcomeTally(done: 2, failed: 4))
    }
}
