// SPDX-License-Identifier: Apache-2.0
import GRDB
package import QueueCore

/// Reads the recipients directory: a connection of its own, for the worker's serial thread, queuectl or the console.
///
/// Every call is synchronous and sees the last commit of any process, but for what is read from one snapshot; a writer
/// never makes it wait. On one thread at a time, as the statements are driven past GRDB, which opens its connections
/// without a mutex.
package final class RecipientReader {
    private let file: String
    /// nil = closed.
    private var statements: Statements?
    private var isSnapshot = false
    /// Keeps the connection open.
    private let queue: DatabaseQueue

    /// The statements of the hot paths; each goes by an index and sorts nothing.
    enum Query: String, CaseIterable {
        case pageOfAuthor = """
            SELECT author, target, key, credentials, options, version FROM recipient
            WHERE site = ? AND plugin = ? AND author = ? AND target > ? ORDER BY target, key
            """
        case pageOfAll = """
            SELECT author, target, key, credentials, options, version FROM recipient
            WHERE site = ? AND plugin = ? AND (target, author) > (?, ?) ORDER BY target, author, key
            """
        case target = """
            SELECT key, credentials, options, version FROM recipient
            WHERE site = ? AND plugin = ? AND author = ? AND target = ? ORDER BY key
            """
        case targetOfAll = """
            SELECT author, target, key, credentials, options, version FROM recipient
            WHERE site = ? AND plugin = ? AND target = ? ORDER BY author, key
            """
    }

    private struct Statements {
        let pageOfAuthor, pageOfAll, target, targetOfAll: TextQuery
        let count, countOfAuthor: TextQuery
        let begin, end: TextQuery

        init(_ connection: OpaquePointer) throws {
            func prepare(_ sql: String) throws -> TextQuery { try TextQuery(connection, sql: sql) }
            pageOfAuthor = try prepare(Query.pageOfAuthor.rawValue)
            pageOfAll = try prepare(Query.pageOfAll.rawValue)
            target = try prepare(Query.target.rawValue)
            targetOfAll = try prepare(Query.targetOfAll.rawValue)
            count = try prepare("SELECT count(*) FROM recipient WHERE site = ? AND plugin = ?")
            countOfAuthor = try prepare("SELECT count(*) FROM recipient WHERE site = ? AND plugin = ? AND author = ?")
            begin = try prepare("BEGIN")
            end = try prepare("COMMIT")
        }
    }

    private static let pageSize = 1000

    /// Makes the file where there is none.
    package init(path: String) throws(RecipientDirectoryError) {
        file = path
        let queue = try DatabaseFile.openForReading(path, .recipients)
        self.queue = queue
        statements = try RecipientDirectoryError.translate(path) {
            try queue.unsafeRead { database in try database.sqliteConnection.map { try Statements($0) } }
        }
    }

    package func close() throws(RecipientDirectoryError) {
        endSnapshot()
        statements = nil
        try RecipientDirectoryError.translate(file) { try queue.close() }
    }

    /// Until `endSnapshot` everything is read as it is at the first read: a third cheaper, where there are many.
    ///
    /// For a moment only, as it holds up checkpoints.
    package func beginSnapshot() throws(RecipientDirectoryError) {
        guard !isSnapshot else { return }
        try run { try $0.begin.run() }
        isSnapshot = true
    }

    /// Harmless where there is none.
    package func endSnapshot() {
        guard isSnapshot else { return }
        isSnapshot = false
        // After a failed read SQLite may have ended it by itself, and there is nothing to be lost.
        try? run { try $0.end.run() }
    }

    /// Up to `limit` rows after `cursor` (empty = the start), ordered by (target, author, key); `author` nil = all.
    ///
    /// A page never splits a target of one author, so it is longer where one target alone has more rows.
    package func page(
        _ site: SiteName,
        _ plugin: PluginName,
        author: String?,
        after cursor: [UInt8],
        limit: Int
    ) throws(RecipientDirectoryError) -> RecipientPage {
        let cursor = try RecipientCursor(cursor)
        var builder = PageBuilder(limit: limit)
        if let author {
            try forEachRow(\.pageOfAuthor, site, plugin, author, cursor.target) { builder.offer(Recipient($0)) }
        } else {
            try forEachRow(\.pageOfAll, site, plugin, cursor.target, cursor.author) { builder.offer(Recipient($0)) }
        }
        return builder.page
    }

    /// All keys of one target of one author; none if there is none (any more).
    ///
    /// The delivery's hot path.
    package func get(
        _ site: SiteName,
        _ plugin: PluginName,
        author: String,
        target: String
    ) throws(RecipientDirectoryError) -> [Recipient] {
        var rows: [Recipient] = []
        try forEachRow(\.target, site, plugin, author, target) { row in
            rows.append(
                Recipient(
                    author: author,
                    target: target,
                    key: row.text(0),
                    credentials: row.text(1),
                    options: row.text(2),
                    version: UInt64(row.integer(3))
                )
            )
            return true
        }
        return rows
    }

    /// Every row that fits, ordered by (target, author, key); nil = any.
    ///
    /// Reads page by page, so that a slow `body` holds up no checkpoint.
    package func forEach(
        _ site: SiteName,
        _ plugin: PluginName,
        author: String? = nil,
        target: String? = nil,
        _ body: (Recipient) throws -> Void
    ) throws {
        if let target {
            var rows: [Recipient] = []
            try forEachRow(\.targetOfAll, site, plugin, target) {
                rows.append(Recipient($0))
                return true
            }
            for row in rows where author?.hasBytes(of: row.author) ?? true { try body(row) }
            return
        }
        var cursor: [UInt8] = []
        repeat {
            let page = try page(site, plugin, author: author, after: cursor, limit: Self.pageSize)
            for row in page.rows { try body(row) }
            cursor = page.next
        } while !cursor.isEmpty
    }

    package func count(
        _ site: SiteName,
        _ plugin: PluginName,
        author: String? = nil
    ) throws(RecipientDirectoryError) -> Int {
        var count = 0
        let take = { (row: TextRow) in
            count = Int(row.integer(0))
            return false
        }
        if let author {
            try forEachRow(\.countOfAuthor, site, plugin, author, body: take)
        } else {
            try forEachRow(\.count, site, plugin, body: take)
        }
        return count
    }

    /// Steps through the rows until `body` gives false.
    private func forEachRow(
        _ query: (Statements) -> TextQuery,
        _ site: SiteName,
        _ plugin: PluginName,
        _ values: String...,
        body: (TextRow) -> Bool
    ) throws(RecipientDirectoryError) {
        // One SELECT is a snapshot by itself.
        try run { try query($0).forEachRow([site.rawValue, plugin.rawValue] + values, body) }
    }

    private func run(_ body: (Statements) throws -> Void) throws(RecipientDirectoryError) {
        guard let statements else { throw .failed(file: file, reason: "it is closed") }
        try RecipientDirectoryError.translate(file) { try body(statements) }
    }
}

extension Recipient {
    fileprivate init(_ row: TextRow) {
        self.init(
            author: row.text(0),
            target: row.text(1),
            key: row.text(2),
            credentials: row.text(3),
            options: row.text(4),
            version: UInt64(row.integer(5))
        )
    }
}
