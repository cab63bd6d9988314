// SPDX-License-Identifier: Apache-2.0

import PluginABI

/// Why something failed: a label in metrics and operators' views.
public enum Reason: UInt32, Sendable {
    /// Nothing failed.
    case none = 0
    /// Anything else.
    case other = 1
    /// The remote side wasn't reached, or its answer wasn't.
    case network = 2
    /// The remote side failed by its own account, as with a 5xx.
    case remote = 3
    /// The remote side wants less.
    case rate = 4
    /// The credentials were refused: only their user can help.
    case auth = 5
    /// The target no longer exists.
    case gone = 6
    /// The remote side refused this content.
    case rejected = 7
    /// The item can't be understood.
    case badData = 8
    /// The site's configuration doesn't allow it.
    case config = 9
}

/// What came of one delivery of an item.
///
/// It may be thrown as well as returned.
public struct Outcome: Error, Sendable, Hashable {
    /// What happens to the item now.
    public enum Verdict: UInt32, Sendable {
        /// What was staged is committed and the item removed, in one transaction.
        case done = 1
        /// What was staged and the new cursor are committed in one transaction; the item comes again, in its fair turn.
        case `continue` = 2
        /// What was staged is dropped; the item comes again later.
        ///
        /// Uses up an attempt.
        case retry = 3
        /// As retry, but uses up no attempt: not connected, rate limited, draining.
        case `defer` = 4
        /// Permanent: what was staged is dropped, the reason recorded.
        case discard = 5
    }

    /// What happens to the item now.
    public let verdict: Verdict
    /// Why, as a label.
    public var reason: Reason = .none
    /// Why, for the operator: at most 1 KiB is kept.
    ///
    /// No secrets.
    public var text = ""
    /// How long until the next attempt; nil = the host's backoff.
    public var delay: Duration?
    /// With discard: the item becomes a dead letter, which an operator can requeue.
    public var isKept = false
    /// With retry and defer: a request went out and no answer was seen.
    public var maybeDelivered = false
    /// With continue: where the next delivery starts; at most 1 KiB.
    public var cursor: [UInt8] = []
    /// Also give nobody an item of `heldLane` for so long.
    public var hold: Duration?
    /// What is held; nil = the item's own lane.
    public var heldLane: String?

    package init(_ verdict: Verdict) { self.verdict = verdict }

    /// Carried out: what was staged is committed, and the item is removed.
    public static let done = Outcome(.done)

    /// A part is carried out: what was staged is committed with `cursor`, which the next delivery gets.
    public static func `continue`(cursor: [UInt8]) -> Outcome {
        var outcome = Outcome(.continue)
        outcome.cursor = cursor
        return outcome
    }

    /// Not now: the item comes again.
    ///
    /// Uses up an attempt.
    ///
    /// - `delay`: nil = the host's backoff.
    /// - `maybeDelivered`: A request went out and no answer was seen.
    public static func retry(
        after delay: Duration? = nil,
        reason: Reason,
        _ text: String,
        maybeDelivered: Bool = false
    ) -> Outcome {
        var outcome = Outcome(.retry)
        outcome.delay = delay
        outcome.reason = reason
        outcome.text = text
        outcome.maybeDelivered = maybeDelivered
        return outcome
    }

    /// Not now, and through no fault of the item's: it comes again, and no attempt is used up.
    public static func `defer`(for delay: Duration? = nil, reason: Reason = .none, _ text: String = "") -> Outcome {
        var outcome = Outcome(.defer)
        outcome.delay = delay
        outcome.reason = reason
        outcome.text = text
        return outcome
    }

    /// Never: the item is given up.
    ///
    /// `keep`: As a dead letter, which an operator can look at and requeue.
    public static func discard(_ reason: Reason, _ text: String, keep: Bool = true) -> Outcome {
        var outcome = Outcome(.discard)
        outcome.reason = reason
        outcome.text = text
        outcome.isKept = keep
        return outcome
    }

    /// This outcome, and also: give nobody an item of `lane` (nil = the item's own) for `duration`.
    public func holding(_ lane: String? = nil, for duration: Duration) -> Outcome {
        var outcome = self
        outcome.heldLane = lane
        outcome.hold = duration
        return outcome
    }

    /// What a handler's error means: the outcome that was thrown, a dead letter for a frame that no retry makes better, or
    /// a retry with the error's text; never a death.
    init(thrown error: any Error) {
        switch error {
        case let outcome as Outcome: self = outcome
        case let error as FrameError: self = .discard(.badData, error.description)
        case is CancellationError: self = .defer("cancelled: its deadline is near, or its site drains")
        case let error as HTTPError where error.kind == .cancelled && !error.maybeSent:
            self = .defer("cancelled: its deadline is near, or its site drains")
        case let error as HTTPError:
            self = .retry(reason: .network, error.description, maybeDelivered: error.maybeSent)
        default: self = .retry(reason: .other, "\(error)")
        }
    }

    /// Lends the outcome to `complete()` as the ABI has it.
    func withResult(_ body: (UnsafePointer<hostd_result>) -> Void) {
        var result = hostd_result()
        result.struct_size = structSize(hostd_result.self)
        result.code = verdict.rawValue
        result.reason = reason.rawValue
        if isKept { result.flags |= HOSTD_RF_KEEP }
        if maybeDelivered { result.flags |= HOSTD_RF_MAYBE }
        if let delay { result.delay_ms = delay.wholeMilliseconds }
        if let hold { result.hold_ms = hold.wholeMilliseconds }
        if text.isEmpty, cursor.isEmpty, heldLane == nil { return body(&result) }
        text.withSlice { text in
            cursor.withSlice { cursor in
                (heldLane ?? "").withSlice { lane in
                    result.text = text
                    result.cursor = cursor
                    result.lane = lane
                    body(&result)
                }
            }
        }
    }
}
