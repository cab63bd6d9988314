// SPDX-License-Identifier: Apache-2.0

/// In which order a re-executed supervisor replaces what runs an earlier hostd.
///
/// The broker goes last, since every process needs it. Where its workers' language has changed it goes first: it would
/// hang up on new workers, while old ones keep what they hold until it is settled.
struct TakeoverSequence: Equatable {
    enum Step: Hashable {
        case workers, console, broker
    }

    private(set) var rest: [Step]

    init(linkChanged: Bool) { rest = linkChanged ? [.broker, .workers, .console] : [.workers, .console, .broker] }

    /// What is to be replaced now; nil once all is.
    var step: Step? { rest.first }

    mutating func finish(_ step: Step) { if rest.first == step { rest.removeFirst() } }
}
