// SPDX-License-Identifier: Apache-2.0

/// How the deliveries of one queue ended in one worker, since its start.
package struct OutcomeTally: Codable, Hashable, Sendable {
    /// Handled as they should be: `done` and `continue`.
    package var done = 0
    /// The handler said retry, defer or discard, or missed its deadline.
    package var failed = 0

    package init(done: Int = 0, failed: Int = 0) {
        self.done = done
        self.failed = failed
    }

    package var total: Int { done + failed }

    /// What was given back unhandled is neither.
    package mutating func count(_ code: OutcomeCode) {
        switch code {
        case .done, .continue: done += 1
        case .retry, .defer, .discard, .overdue: failed += 1
        case .giveBack: break
        }
    }

    package static func + (left: OutcomeTally, right: OutcomeTally) -> OutcomeTally {
        OutcomeTally(done: left.done + right.done, failed: left.failed + right.failed)
    }

    package static func - (left: OutcomeTally, right: OutcomeTally) -> OutcomeTally {
        OutcomeTally(done: left.done - right.done, failed: left.failed - right.failed)
    }
}
