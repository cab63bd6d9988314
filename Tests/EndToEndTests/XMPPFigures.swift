// SPDX-License-Identifier: Apache-2.0

/// What became of numbered messages at their contacts.
struct XMPPFigures: CustomStringConvertible {
    var arrived = 0
    var missing: Set<Int> = []
    var twice = 0
    var outOfOrder = 0

    var lost: Int { missing.count }

    var description: String { "arrived=\(arrived) lost=\(lost) twice=\(twice) out-of-order=\(outOfOrder)" }

    /// A contact's messages of one kind.
    private struct Line: Hashable {
        let contact: String
        let isStored: Bool
    }

    /// Each contact's messages carry growing numbers below `sent`; of one that came twice the first time counts.
    ///
    /// ejabberd hands a contact that comes back what arrives live before what it had kept, whoever sends it (a
    /// component that waits for each acknowledgement sees the same): each of the two has its own order there.
    init(_ messages: [XMPPContacts.Message], sent: Int, server: XMPPServer.Kind) {
        var seen: Set<Int> = []
        var last: [Line: Int] = [:]
        for message in messages {
            guard let number = Int(message.body) else { continue }
            guard seen.insert(number).inserted else {
                twice += 1
                continue
            }
            let line = Line(contact: message.contact, isStored: server == .ejabberd && message.isStored)
            if number < last[line] ?? -1 { outOfOrder += 1 }
            last[line] = max(number, last[line] ?? -1)
        }
        arrived = seen.count
        missing = Set(0..<sent).subtracting(seen)
    }

    /// The highest number of each contact.
    static func last(_ messages: [XMPPContacts.Message]) -> [String: Int] {
        messages.reduce(into: [:]) { last, message in
            guard let number = Int(message.body) else { return }
            last[message.contact] = max(number, last[message.contact] ?? -1)
        }
    }
}
