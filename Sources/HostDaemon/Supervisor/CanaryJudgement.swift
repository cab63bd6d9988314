// SPDX-License-Identifier: Apache-2.0
import QueueCore

/// Whether a new generation's first worker fails clearly more often than the old ones do on the same queue: pure.
///
/// A pooled two-proportion test, one-sided. It is asked again and again while the canary runs, for each queue: the bound
/// is chosen so that code that is as good as the old is undone by chance less than once in a hundred roll-outs.
enum CanaryJudgement {
    /// Fewer deliveries say nothing, of either side.
    static let leastTotal = 10
    static let leastFailed = 5
    /// Share of deliveries: a difference that nobody would mend isn't worth undoing an upgrade for.
    static let leastDifference = 0.1
    /// Standard deviations: one chance in some 2,000 a look.
    static let leastDeviations = 3.3

    /// What the old workers did.
    struct Baseline: Equatable {
        /// While the canary ran: the same minutes, the same state of the targets.
        var meanwhile: [QueueName: OutcomeTally] = [:]
        /// Since they started; the measure where they had too little to do meanwhile.
        var ever: [QueueName: OutcomeTally] = [:]
    }

    static func isClearlyWorse(_ new: OutcomeTally, than old: OutcomeTally) -> Bool {
        guard new.total >= leastTotal, old.total >= leastTotal, new.failed >= leastFailed else { return false }
        let (newTotal, oldTotal) = (Double(new.total), Double(old.total))
        let difference = Double(new.failed) / newTotal - Double(old.failed) / oldTotal
        guard difference >= leastDifference else { return false }
        let pooled = Double(new.failed + old.failed) / (newTotal + oldTotal)
        let deviation = (pooled * (1 - pooled) * (1 / newTotal + 1 / oldTotal)).squareRoot()
        return difference >= leastDeviations * deviation
    }

    /// The first queue, by name, that speaks against the new code, in a line for people; nil where none does.
    static func complaint(of new: [QueueName: OutcomeTally], against old: Baseline) -> String? {
        for (queue, tally) in new.sorted(by: { $0.key < $1.key }) {
            let meanwhile = old.meanwhile[queue] ?? OutcomeTally()
            let isEnough = meanwhile.total >= leastTotal
            let other = isEnough ? meanwhile : old.ever[queue] ?? OutcomeTally()
            guard isClearlyWorse(tally, than: other) else { continue }
            return "queue \(queue): \(tally.failed) of \(tally.total) deliveries failed, of the old code's "
                + "\(other.failed) of \(other.total)" + (isEnough ? " in the same time" : "")
        }
        return nil
    }
}
