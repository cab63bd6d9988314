// SPDX-License-Identifier: Apache-2.0

/// Names one stanza that somebody waits for.
typealias StanzaID = UInt64

/// What was given to the server and isn't known to be with it: numbered in order, so that one acknowledgement covers all
/// before it.
///
/// Pure. The same for both ways to be acknowledged: stream management's count, and the answer to a ping that was sent
/// behind the stanzas.
struct Outbox {
    private struct Entry {
        let number: UInt64
        /// nil: nobody waits for it, or no longer.
        var id: StanzaID?
        /// Kept where the stream may be resumed, to be sent again.
        let bytes: [UInt8]
    }

    private var entries: [Entry] = []
    /// Entries before this one have been acknowledged; cut off now and then.
    private var head = 0
    private var last: UInt64
    private(set) var acknowledged: UInt64
    /// The number that an acknowledgement is under way for.
    private(set) var asked: UInt64?
    /// The last one that was asked for: a server that can't count isn't asked for the same again and again.
    private var lastAsked: UInt64

    /// `acknowledged`: What was sent before, and has arrived.
    init(acknowledged: UInt64 = 0) {
        last = acknowledged
        self.acknowledged = acknowledged
        lastAsked = acknowledged
    }

    var count: Int { entries.count - head }
    /// Something was sent since the last acknowledgement was asked for, and none is under way.
    var wantsRequest: Bool { asked == nil && last > max(acknowledged, lastAsked) }
    var waiting: [StanzaID] { entries[head...].compactMap(\.id) }

    /// A stanza goes out; its number.
    @discardableResult
    mutating func append(_ bytes: [UInt8], id: StanzaID?) -> UInt64 {
        last += 1
        entries.append(Entry(number: last, id: id, bytes: bytes))
        return last
    }

    /// An acknowledgement of all so far is asked for.
    mutating func ask() {
        asked = last
        lastAsked = last
    }

    /// The server has all that were sent when it was asked; those that are waited for.
    mutating func answered() -> [StanzaID] {
        guard let asked else { return [] }
        self.asked = nil
        return acknowledge(through: asked)
    }

    /// Stream management's `h`, which counts modulo 2^32 (XEP-0198 section 4).
    ///
    /// nil: more than were sent, so that one of the sides can't count.
    mutating func handled(_ h: UInt32) -> [StanzaID]? {
        let new = UInt64(h &- UInt32(truncatingIfNeeded: acknowledged))
        guard new <= UInt64(count) else { return nil }
        asked = nil
        return acknowledge(through: acknowledged + new)
    }

    /// Nobody waits for the stanza of this number any more, as it came back as an error, but it still counts.
    mutating func forget(_ number: UInt64) {
        // Numbers have no gaps.
        guard head < entries.count, let first = entries[head...].first?.number, (first...last).contains(number) else {
            return
        }
        entries[head + Int(number - first)].id = nil
    }

    /// A resumed stream: all that the server hasn't, in order.
    mutating func resend() -> [[UInt8]] {
        asked = nil
        lastAsked = acknowledged
        return entries[head...].map(\.bytes)
    }

    /// The stream is gone for good; those that somebody waits for.
    mutating func reset() -> [StanzaID] {
        let lost = waiting
        self = Outbox()
        return lost
    }

    private mutating func acknowledge(through number: UInt64) -> [StanzaID] {
        var ids: [StanzaID] = []
        while head < entries.count, entries[head].number <= number {
            if let id = entries[head].id { ids.append(id) }
            head += 1
        }
        acknowledged = max(acknowledged, number)
        // Half of it is dead: the cost of moving the rest is paid for.
        if head > 64, head * 2 > entries.count {
            entries.removeFirst(head)
            head = 0
        }
        return ids
    }
}
