// SPDX-License-Identifier: Apache-2.0

/// What a handler said of one delivery.
///
/// The raw values are the ABI's `HOSTD_DONE`...`HOSTD_DISCARD`.
package enum OutcomeCode: UInt8, Sendable {
    /// Commit what was staged and remove the item, in one transaction.
    case done = 1
    /// Commit what was staged and the new cursor in one transaction; deliver again.
    case `continue` = 2
    /// Drop what was staged; again later; uses up an attempt.
    case retry = 3
    /// As retry, but uses up no attempt.
    case `defer` = 4
    /// Permanent: drop what was staged and record the reason.
    case discard = 5
    /// The host's own: the worker gives the item back unentered (drain), which counts as nothing.
    case giveBack = 6
    /// The host's own: the handler missed its deadline and its worker ends; counts as a kill.
    case overdue = 7
}

/// The class of a failure.
///
/// The raw values are the ABI's `HOSTD_R_*`; an unknown one is `other`.
package enum ReasonClass: UInt8, Sendable, CaseIterable {
    case none = 0
    case other, network, remote, rate, auth, gone, rejected, badData, config

    package init(abi value: UInt32) {
        self = UInt8(exactly: value).flatMap(ReasonClass.init(rawValue:)) ?? .other
    }

    /// A fixed word for labels and operator views.
    package var word: String {
        switch self {
        case .none: "none"
        case .other: "other"
        case .network: "network"
        case .remote: "remote"
        case .rate: "rate"
        case .auth: "auth"
        case .gone: "gone"
        case .rejected: "rejected"
        case .badData: "bad-data"
        case .config: "config"
        }
    }
}

/// The end of one delivery, as it crosses from the worker to whoever settles the item.
package struct Outcome: Hashable, Sendable {
    package var code: OutcomeCode
    package var reason: ReasonClass = .none
    /// Discard: keep the item as a dead letter.
    package var keep = false
    /// Retry: a request went out and no answer was seen.
    package var maybeDelivered = false
    /// Milliseconds until the next attempt; 0 = the host's backoff.
    package var delayMs: UInt32 = 0
    /// Milliseconds for which nobody gets an item of `holdLane`; 0 = none.
    package var holdMs: UInt32 = 0
    /// Empty = the item's own lane.
    package var holdLane = ""
    /// With `continue`: what the next delivery starts from; at most 1 KiB.
    package var cursor: [UInt8] = []
    /// For the operator; at most 1 KiB; no secrets.
    package var text = ""

    package init(_ code: OutcomeCode, reason: ReasonClass = .none, text: String = "") {
        self.code = code
        self.reason = reason
        self.text = text
    }
}

/// An item to add: staged by a handler, enqueued outside a delivery, or sent by a producer.
package struct NewItem: Hashable, Sendable {
    package var queue: QueueName
    /// What is this item's own.
    package var payload: [UInt8]
    /// What many items have in common; stored once.
    ///
    /// Empty = none.
    package var shared: [UInt8] = []
    /// The same key twice in one site and queue is one item; empty = none.
    package var dedupeKey = ""
    package var target = ""
    /// Empty = the target.
    package var lane = ""
    package var delayMs: UInt32 = 0
    /// 0-9.
    package var priority: UInt8 = Priority.normal
    /// Unix milliseconds; 0 = the queue's default.
    package var expiresMs: Int64 = 0

    package init(queue: QueueName, payload: [UInt8]) {
        self.queue = queue
        self.payload = payload
    }
}

/// STOMP's and JMS's priorities.
package enum Priority {
    package static let lowest: UInt8 = 0
    package static let normal: UInt8 = 4
    package static let highest: UInt8 = 9
}
