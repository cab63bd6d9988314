// SPDX-License-Identifier: Apache-2.0

/// Who of a site's authors is delivered where, by one plugin.
///
/// Holds credentials: printing it leaves them out.
package struct Recipient: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    /// The author's URI.
    package var author: String
    /// A URL, JID or account.
    package var target: String
    /// Tells several subscriptions of one target apart; may be empty.
    package var key: String
    /// A JSON object; empty if none.
    package var credentials: String
    /// A JSON object; empty if none.
    package var options: String
    /// Of the row; 0 = of no row (a new one, or one that a notice brought along).
    package var version: UInt64

    package init(
        author: String,
        target: String,
        key: String = "",
        credentials: String = "",
        options: String = "",
        version: UInt64 = 0
    ) {
        self.author = author
        self.target = target
        self.key = key
        self.credentials = credentials
        self.options = options
        self.version = version
    }

    package var description: String { "\(author) -> \(target)" + (key.isEmpty ? "" : " (\(key))") }
    package var customMirror: Mirror { Mirror(self, children: ["author": author, "target": target, "key": key]) }

    /// Whether both belong to the same (target, author): a page never splits these.
    func sharesTarget(with other: Recipient) -> Bool {
        target.hasBytes(of: other.target) && author.hasBytes(of: other.author)
    }
}

extension String {
    /// Swift's == takes canonically equivalent texts for the same; SQLite and remote sites don't.
    func hasBytes(of other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}

/// Lengths in bytes of the texts that name a recipient or a value.
///
/// A cursor holds target and author, and the ABI gives it 1 KiB.
enum FieldLimits {
    static let author = 1...320
    static let target = 1...640
    static let key = 0...255
    /// Of credentials and options each, at most.
    static let object = 64 * 1024

    static func check(author: String, target: String, key: String) throws(RecipientDirectoryError) {
        try check("author", author, Self.author)
        try check("target", target, Self.target)
        try check("key", key, Self.key)
    }

    /// Refuses wrong lengths, and control characters, which would break lines, cursors and terminals.
    static func check(_ field: String, _ text: String, _ length: ClosedRange<Int>) throws(RecipientDirectoryError) {
        guard text.utf8.count >= length.lowerBound else { throw .invalid(field: field, reason: "is empty") }
        guard text.utf8.count <= length.upperBound else {
            throw .invalid(field: field, reason: "is longer than \(length.upperBound) bytes")
        }
        guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            throw .invalid(field: field, reason: "holds a control character")
        }
    }
}
