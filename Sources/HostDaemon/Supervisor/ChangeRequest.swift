// SPDX-License-Identifier: Apache-2.0
import QueueCore

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
    /// Read when its turn came.
    var reading: ConfigReading?
    /// It is in force, or what could be taken of it.
    var isApplied = false
    /// What could not be taken, and what failed on the way; a line each.
    var complaints: [String] = []
    /// The sites that it changed.
    var sites: Set<SiteName> = []
    /// Workers that took the place of others because plugins share them.
    var replaced = 0
    /// New processes that haven't shown yet whether they start.
    var awaited: Set<SlotID> = []
    /// All that ran already have taken the change in.
    var isHeard = false

    /// The one site that it is about; nil = all that there is to read.
    var only: String? { if case .update(let site) = kind { site } else { nil } }
}

extension ChangeRequest.Kind {
    /// It may start new generations.
    var rollsOut: Bool {
        switch self {
        case .update: false
        case .restart, .files: true
        }
    }
}
