// SPDX-License-Identifier: Apache-2.0

/// The stanzas that were acknowledged of late: one may still come back, from a contact's server far away.
///
/// Bounded by bytes: the oldest are forgotten.
struct BounceMemory {
    struct Sent {
        let to: String
        let stanza: [UInt8]
        /// How often it came back before.
        let bounces: Int
    }

    private let capacity: Int
    private var sent: [StanzaID: Sent] = [:]
    private var order: [StanzaID] = []
    private var head = 0
    private var bytes = 0

    init(capacity: Int = 256 << 10) { self.capacity = capacity }

    mutating func remember(_ id: StanzaID, _ stanza: Sent) {
        sent[id] = stanza
        order.append(id)
        bytes += stanza.stanza.count
        while bytes > capacity, head < order.count {
            forget(order[head])
            head += 1
        }
        if head > 256, head * 2 > order.count {
            order.removeFirst(head)
            head = 0
        }
    }

    mutating func take(_ id: StanzaID) -> Sent? { forget(id) }

    @discardableResult
    private mutating func forget(_ id: StanzaID) -> Sent? {
        guard let stanza = sent.removeValue(forKey: id) else { return nil }
        bytes -= stanza.stanza.count
        return stanza
    }
}
