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
        /// plugins.d has changed: a new generation of what changed, under the configuration in force.
        case files
    }

    let kind: Kind
    var replies: [PendingReply]
    let askedAt: Duration
    /// Read when its turn came; in force once it was applied.
    var deployment: Deployment?
}

extension ChangeRequest.Kind {
    /// It may start new generations: it waits until the roll-outs before it are over.
    var rollsOut: Bool {
        switch self {
        case .update: false
        case .restart, .files: true
        }
    }
}
