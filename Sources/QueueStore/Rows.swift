// SPDX-License-Identifier: Apache-2.0
package import QueueCore

/// A site's, queue's or destination's name as a number; stable for the life of the store.
///
/// 0 = none.
package typealias NameID = Int64

/// The bytes that many items have in common; stored once, and in memory once while any active item holds it.
package final class SharedBody: Sendable {
    package let id: Int64
    package let bytes: [UInt8]

    package init(id: Int64, bytes: [UInt8]) {
        self.id = id
        self.bytes = bytes
    }
}

/// An item on its way into the store.
package struct Incoming: Sendable {
    /// A queue of hostd's, or a whole destination (begins with a slash) of a plain STOMP queue.
    package var queue: String
    /// Empty for a plain STOMP queue.
    package var site: String
    package var payload: [UInt8]
    package var shared: [UInt8] = []
    package var target = ""
    package var lane = ""
    package var dedupeKey = ""
    package var priority = Priority.normal
    /// Unix milliseconds; 0 = at once.
    package var dueMs: Int64 = 0
    /// Unix milliseconds; 0 = never.
    package var expiresMs: Int64 = 0
    package var enqueuedMs: Int64
    /// Of a plain STOMP queue: the producer's own headers, encoded.
    package var headers: [UInt8] = []
    package var notice: Int64?
    /// Store it as a dead letter, with this reason and sentence.
    package var dead: (reason: DeadReason, text: String)?

    package init(queue: String, site: String, payload: [UInt8], enqueuedMs: Int64) {
        self.queue = queue
        self.site = site
        self.payload = payload
        self.enqueuedMs = enqueuedMs
    }
}

/// An item as the store has it.
package struct StoredItem: Sendable {
    package var id: Int64
    package var state: StoredState
    package var rank: Rank
    package var seq: Int64
    package var dueMs: Int64
    package var attempts: Int64
    package var kills: Int64
    package var maybe: Int64
    package var queue: NameID
    package var site: NameID
    package var lane: LaneHash?
    package var body: SharedBody?
    package var notice: Int64?
    package var enqueuedMs: Int64
    package var expiresMs: Int64
    package var cursor: [UInt8]
    package var target: String
    /// Empty = the target.
    package var laneKey: String
    package var dedupeKey: String
    package var headers: [UInt8]
    package var payload: [UInt8]

    package var laneName: String { laneKey.isEmpty ? target : laneKey }
}

/// Order of claiming within a site and queue: less goes first.
///
/// Two ranks a priority, so that retries go after the fresh items of their priority.
package struct Rank: Hashable, Comparable, Sendable {
    package let rawValue: Int64

    package init(rawValue: Int64) { self.rawValue = rawValue }

    package init(priority: UInt8, isRetry: Bool) {
        rawValue = Int64(9 - min(priority, Priority.highest)) * 2 + (isRetry ? 1 : 0)
    }

    package var priority: UInt8 { UInt8(9 - rawValue / 2) }
    package var isRetry: Bool { rawValue & 1 == 1 }
    package var retry: Rank { Rank(rawValue: rawValue | 1) }
    /// One priority lower: the later chunks of a big fan-out, so that a fresh notice's first targets go before them.
    package var bulk: Rank { Rank(rawValue: min(rawValue + 2, 18 | rawValue & 1)) }
    package static func < (left: Rank, right: Rank) -> Bool { left.rawValue < right.rawValue }
}

/// A lane's number: a 64-bit hash of site, queue and lane key.
///
/// With a million lanes two of them share a number with probability 3e-8; they would then wait for each other, and lose
/// nothing.
package struct LaneHash: Hashable, Sendable {
    package let rawValue: Int64

    package init(rawValue: Int64) { self.rawValue = rawValue }

    package init(site: NameID, queue: NameID, key: String) {
        var hash = StableHash()
        hash.add(UInt64(bitPattern: site))
        hash.add(UInt64(bitPattern: queue))
        hash.add(key)
        rawValue = Int64(bitPattern: hash.value)
    }
}

/// FNV-1a with a final mix: the same in every process and release, since it is stored.
struct StableHash {
    private var state: UInt64 = 0xcbf2_9ce4_8422_2325

    mutating func add(_ number: UInt64) {
        var number = number
        for _ in 0..<8 {
            state = (state ^ (number & 0xff)) &* 0x100_0000_01b3
            number >>= 8
        }
    }

    mutating func add(_ text: String) {
        var text = text
        text.withUTF8 { add($0) }
    }

    mutating func add(_ bytes: UnsafeBufferPointer<UInt8>) {
        for byte in bytes { state = (state ^ UInt64(byte)) &* 0x100_0000_01b3 }
        add(UInt64(bytes.count))
    }

    /// FNV alone leaves the high bits weak for short inputs: MurmurHash3's finalizer spreads them.
    var value: UInt64 {
        var mixed = state
        mixed = (mixed ^ (mixed >> 33)) &* 0xff51_afd7_ed55_8ccd
        mixed = (mixed ^ (mixed >> 33)) &* 0xc4ce_b9fe_1a85_ec53
        return mixed ^ (mixed >> 33)
    }
}

/// A lane that isn't in its default state.
package struct StoredLane: Hashable, Sendable {
    package var hash: LaneHash
    package var queue: NameID
    package var site: NameID
    package var key: String
    package var state: State
    /// Unix milliseconds; 0 = at once, `never` = not before somebody says so.
    package var nextAttemptMs: Int64
    /// Failed probes and openings in a row.
    package var openings: Int64
    package var reason: String
    /// Unix milliseconds; 0 = never.
    package var failedMs: Int64 = 0

    package static let never = Int64.max

    package enum State: Int64, Sendable {
        /// With items parked.
        case closed = 0
        /// Its circuit is open: it starts with a probe.
        case open = 1
        /// By an operator.
        case blocked = 2
        /// Until its time comes: the target, or its plugin, asked for it.
        case held = 3
    }

    package init(
        hash: LaneHash,
        queue: NameID,
        site: NameID,
        key: String,
        state: State,
        nextAttemptMs: Int64,
        openings: Int64,
        reason: String,
        failedMs: Int64 = 0
    ) {
        self.hash = hash
        self.queue = queue
        self.site = site
        self.key = key
        self.state = state
        self.nextAttemptMs = nextAttemptMs
        self.openings = openings
        self.reason = reason
        self.failedMs = failedMs
    }
}
