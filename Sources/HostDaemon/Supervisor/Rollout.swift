// SPDX-License-Identifier: Apache-2.0
import QueueCore

/// A plugin on its way from one generation to the next; only the supervisor touches it.
struct Rollout {
    var machine: RolloutStateMachine
    let next: SpawnPlan.RunningPlugin
    let previous: SpawnPlan.RunningPlugin
    /// Sites that the old generation can't open either: no fault of the new code.
    var brokenSites: Set<SiteName>
    /// What each old worker had done when the canary's time began.
    var start: [ProcessSerial: [QueueName: OutcomeTally]] = [:]
    /// Numbers the watches: the time limit of an earlier one, of another canary, is void.
    var watch = 0
    /// What the old workers had done when they were last looked at; stays when they are gone.
    var ever: [QueueName: OutcomeTally] = [:]

    /// The old workers' part of the comparison; `now`: those that still live.
    mutating func baseline(_ now: [ProcessSerial: [QueueName: OutcomeTally]]) -> CanaryJudgement.Baseline {
        var baseline = CanaryJudgement.Baseline()
        for (serial, tallies) in now {
            // One that was started meanwhile began at nothing.
            let before = start[serial] ?? [:]
            baseline.meanwhile.merge(tallies.map { ($0, $1 - (before[$0] ?? OutcomeTally())) }, uniquingKeysWith: +)
            baseline.ever.merge(tallies, uniquingKeysWith: +)
        }
        if !now.isEmpty { ever = baseline.ever }
        baseline.ever = ever
        return baseline
    }
}
