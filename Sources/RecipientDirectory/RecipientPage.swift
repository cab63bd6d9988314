// SPDX-License-Identifier: Apache-2.0

/// Recipients in the order (target, author, key), and where the next page begins.
package struct RecipientPage: Hashable, Sendable {
    package internal(set) var rows: [Recipient] = []
    /// Empty = that was the end.
    package internal(set) var next: [UInt8] = []

    static let limits = 1...10_000
}

/// Takes rows in order and decides where the page ends: at `limit` rows, but never inside a target of one author.
///
/// A target with more rows than that makes a page of its own, longer one.
struct PageBuilder {
    private(set) var page = RecipientPage()
    private let limit: Int
    /// Where the last target begins in `rows`.
    private var border = 0

    init(limit: Int) {
        self.limit = min(max(limit, RecipientPage.limits.lowerBound), RecipientPage.limits.upperBound)
    }

    /// false = the page is full without this row; offer no more.
    mutating func offer(_ row: Recipient) -> Bool {
        let startsTarget = page.rows.last.map { !$0.sharesTarget(with: row) } ?? true
        if page.rows.count >= limit, startsTarget || border > 0 {
            if !startsTarget { page.rows.removeSubrange(border...) }
            if let last = page.rows.last { page.next = RecipientCursor(target: last.target, author: last.author).bytes }
            return false
        }
        if startsTarget { border = page.rows.count }
        page.rows.append(row)
        return true
    }
}

/// The last target of a page, by name: good for ever, whatever is added or removed meanwhile.
struct RecipientCursor {
    let target: String
    let author: String

    /// Neither text holds a control character.
    private static let separator: UInt8 = 0x1F

    static let start = RecipientCursor(target: "", author: "")

    init(target: String, author: String) {
        self.target = target
        self.author = author
    }

    /// Empty = the start.
    init(_ bytes: [UInt8]) throws(RecipientDirectoryError) {
        if bytes.isEmpty {
            self = .start
            return
        }
        let parts = bytes.split(separator: Self.separator, omittingEmptySubsequences: false)
        guard parts.count == 2, let target = String(validating: parts[0], as: UTF8.self),
            let author = String(validating: parts[1], as: UTF8.self), !target.isEmpty
        else { throw .badCursor }
        self.init(target: target, author: author)
    }

    var bytes: [UInt8] { Array(target.utf8) + [Self.separator] + Array(author.utf8) }
}
