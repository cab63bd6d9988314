// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Releases receipts in the order in which their frames came, each when its own and all earlier work is done.
///
/// A RECEIPT says that everything sent before it was received too (STOMP 1.2, "RECEIPT"), and with hostd that means on
/// disk: so frames without a receipt take part. The broker's session calls `begin` per frame that has work to do,
/// `complete` as the work becomes durable (in any order), and then takes what `next` gives.
package struct ReceiptOrder: Sendable {
    /// One frame's place in the order.
    package struct Ticket: Sendable, Hashable {
        fileprivate let number: UInt64
    }

    private struct Entry {
        let receipt: String?
        var isDone = false
    }

    private var entries = CircularBuffer<Entry>()
    private var first: UInt64 = 0

    package init() {}

    /// Frames whose work isn't released yet.
    package var count: Int { entries.count }

    package mutating func begin(receipt: String?) -> Ticket {
        entries.append(Entry(receipt: receipt))
        return Ticket(number: first + UInt64(entries.count) - 1)
    }

    package mutating func complete(_ ticket: Ticket) {
        // A ticket that was completed before may be released already.
        guard ticket.number >= first else { return }
        let offset = Int(ticket.number - first)
        precondition(offset < entries.count, "a ticket of another ReceiptOrder")
        entries[entries.index(entries.startIndex, offsetBy: offset)].isDone = true
    }

    /// The next receipt to send, nil = none is due.
    package mutating func next() -> String? {
        while let entry = entries.first, entry.isDone {
            entries.removeFirst()
            first += 1
            if let receipt = entry.receipt { return receipt }
        }
        return nil
    }
}
