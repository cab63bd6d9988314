// SPDX-License-Identifier: Apache-2.0

/// A change that somebody asked for: by a signal, a command or the control topic.
///
/// One is at work at a time; a second of a kind that waits already is the same one.
struct ChangeRequest {
    enum Kind: Equatable {
        /// Read the configuration again; the site is for the answer's text.
        case update(site: String?)
        /// As update, and a new generation of workers from the files that are there now.
        case restart
    }

    let kind: Kind
    var replies: [PendingReply]
    let askedAt: Duration
    /// Read when its turn came; in force once it was applied.
    var deployment: Deployment?
}

/// A plugin on its way from one generation to the next.
struct Rollout {
    var machine: RolloutStateMachine
    var next: SpawnPlan.RunningPlugin
}
