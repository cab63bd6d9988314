// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// How a subscriber acknowledges.
package enum AckMode: String, Sendable, CaseIterable {
    /// What was sent counts as acknowledged.
    case auto
    /// An ACK or NACK covers the message and all before it.
    case client
    case clientIndividual = "client-individual"

    init?(header: String?) {
        guard let header else {
            self = .auto
            return
        }
        self.init(rawValue: header)
    }
}

/// A MESSAGE that was sent and isn't settled.
struct PendingDelivery: Sendable, Equatable {
    let sequence: UInt64
    /// The broker's own number for it.
    let token: Int64
    /// Empty in 1.2, whose clients acknowledge by the `ack` header.
    let messageID: String
}

/// One SUBSCRIBE of a connection, with what was delivered for it and isn't acknowledged, in order.
package struct Subscription: Sendable {
    /// What tells the subscriptions of a connection apart: from 1.1 on the id; before, the destination if there's none.
    enum Key: Hashable, Sendable {
        case id(String)
        case destination(String)
    }

    /// Unique within its connection, and never used again there.
    package let serial: Int
    package let destination: String
    package let ackMode: AckMode
    /// How many deliveries may be unacknowledged at a time; it has no meaning with `.auto`.
    package let prefetch: Int
    let key: Key
    private(set) var pending = CircularBuffer<PendingDelivery>()
    private var lastSequence: UInt64 = 0

    init(serial: Int, key: Key, destination: String, ackMode: AckMode, prefetch: Int) {
        self.serial = serial
        self.key = key
        self.destination = destination
        self.ackMode = ackMode
        self.prefetch = prefetch
    }

    /// The client's id for it, as MESSAGE repeats it; a 1.0 client need not have given one.
    package var id: String? {
        guard case .id(let id) = key else { return nil }
        return id
    }

    package var unacknowledged: Int { pending.count }

    /// How many more deliveries the client takes now.
    package var room: Int { ackMode == .auto ? Int.max : max(0, prefetch - pending.count) }

    mutating func deliver(_ token: Int64, messageID: String) -> UInt64 {
        lastSequence += 1
        if ackMode != .auto {
            pending.append(PendingDelivery(sequence: lastSequence, token: token, messageID: messageID))
        }
        return lastSequence
    }

    /// Takes out the delivery with that sequence, and with `.client` all before it; nil = there is none.
    mutating func take(sequence: UInt64) -> [PendingDelivery]? {
        let index = position(of: sequence)
        guard index < pending.endIndex, pending[index].sequence == sequence else { return nil }
        return take(at: index)
    }

    mutating func take(messageID: String) -> [PendingDelivery]? {
        guard let index = pending.firstIndex(where: { $0.messageID == messageID }) else { return nil }
        return take(at: index)
    }

    /// Puts back what an aborted transaction had acknowledged, at its old place.
    mutating func restore(_ delivery: PendingDelivery) {
        pending.insert(delivery, at: position(of: delivery.sequence))
    }

    private mutating func take(at index: CircularBuffer<PendingDelivery>.Index) -> [PendingDelivery] {
        if ackMode == .client {
            let taken = Array(pending[...index])
            pending.removeFirst(taken.count)
            return taken
        }
        return [pending.remove(at: index)]
    }

    /// The first place whose sequence isn't lower: mostly the very first, as clients acknowledge in order.
    private func position(of sequence: UInt64) -> CircularBuffer<PendingDelivery>.Index {
        var low = 0
        var high = pending.count
        if let first = pending.first, first.sequence >= sequence { high = 0 }
        while low < high {
            let middle = (low + high) / 2
            if pending[pending.index(pending.startIndex, offsetBy: middle)].sequence < sequence {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return pending.index(pending.startIndex, offsetBy: low)
    }
}
