// SPDX-License-Identifier: Apache-2.0

package import PluginABI

/// Who of a site's authors is delivered where: one row of the recipients directory.
///
/// Unique per site, plugin, author, target and key. Rows of one page share their memory; texts are made when asked for.
public struct Recipient: Sendable {
    /// Grows with each change of the row.
    public let version: UInt64
    private let storage: [UInt8]
    private let fields: Fields

    /// Where each text ends in the storage.
    struct Fields: Sendable {
        var start = 0
        var author = 0
        var target = 0
        var key = 0
        var credentials = 0
        var options = 0
    }

    init(storage: [UInt8], fields: Fields, version: UInt64) {
        self.storage = storage
        self.fields = fields
        self.version = version
    }

    /// A row to put.
    ///
    /// - `key`: Tells several subscriptions of one target apart; may be empty.
    /// - `version`: 0 = write it as it may be; else only where the row still has this one.
    public init(
        author: String,
        target: String,
        key: String = "",
        credentials: JSON = .object([]),
        options: JSON = .object([]),
        version: UInt64 = 0
    ) {
        var arena = Arena()
        var fields = Fields()
        fields.author = arena.add(author).upperBound
        fields.target = arena.add(target).upperBound
        fields.key = arena.add(key).upperBound
        fields.credentials = arena.add(credentials.text).upperBound
        fields.options = arena.add(options.text).upperBound
        self.init(storage: arena.bytes, fields: fields, version: version)
    }

    /// The author's URI.
    public var author: String { text(fields.start..<fields.author) }
    /// The URL, JID or account that gets the author's notices.
    public var target: String { text(fields.author..<fields.target) }
    /// Tells several subscriptions of one target apart; may be empty.
    public var key: String { text(fields.target..<fields.key) }

    /// What the target wants to see, as a token and its secret.
    ///
    /// Never log it, never stage it.
    public var credentials: JSON { json(fields.key..<fields.credentials) }
    /// The plugin's own settings for this row.
    public var options: JSON { json(fields.credentials..<fields.options) }

    /// True where both go to the same target; cheaper than comparing texts.
    public func hasSameTarget(as other: Recipient) -> Bool {
        storage[fields.author..<fields.target] == other.storage[other.fields.author..<other.fields.target]
    }

    /// Lends the row to the host for one call.
    package func withCRecipient<Result>(_ body: (UnsafePointer<hostd_recipient>) -> Result) -> Result {
        storage.withUnsafeBytes { bytes in
            var row = hostd_recipient()
            row.struct_size = structSize(hostd_recipient.self)
            row.version = version
            row.author = bytes.slice(fields.start..<fields.author)
            row.target = bytes.slice(fields.author..<fields.target)
            row.key = bytes.slice(fields.target..<fields.key)
            row.credentials = bytes.slice(fields.key..<fields.credentials)
            row.options = bytes.slice(fields.credentials..<fields.options)
            return body(&row)
        }
    }

    private func text(_ range: Range<Int>) -> String { String(decoding: storage[range], as: UTF8.self) }

    private func json(_ range: Range<Int>) -> JSON {
        // The directory has checked what it stores; a row that it let through all the same has no members.
        (try? JSON(parsing: storage[range].span)) ?? .object([])
    }
}

/// Some rows of the directory, and where the next ones start.
public struct RecipientPage: Sendable {
    /// The rows; those of one target are all in one page.
    public let rows: [Recipient]
    /// The cursor for ``Outcome/continue(cursor:)``; nil = these were the last ones.
    public let next: [UInt8]?
}
