// SPDX-License-Identifier: Apache-2.0
import GRDB
package import QueueCore

/// Reads the recipients directory: a connection of its own, for the worker's serial thread, queuectl or the console.
///
/// Every call is synchronous and sees the last commit of any process; a writer never makes it wait.
package final class RecipientReader {
    private let file: String
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
            SELECT author, target, key, credentials, options, version FROM recipient
            WHERE site = ? AND plugin = ? AND author = ? AND target = ? ORDER BY key
            """
        case targetOfAll = """
            SELECT author, target, key, credentials, options, version FROM recipient
            WHERE site = ? AND plugin = ? AND target = ? ORDER BY author, key
            """
    }

    private static let pageSize = 1000

    /// Makes the file where there is none.
    package init(path: String) throws(RecipientDirectoryError) {
        file = path
        queue = try DatabaseFile.openForReading(path, .recipients)
    }

    package func close() throws(RecipientDirectoryError) {
        try RecipientDirectoryError.translate(file) { try queue.close() }
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
            try forEachRow(.pageOfAuthor, site, plugin, author, cursor.target) { builder.offer($0) }
        } else {
            try forEachRow(.pageOfAll, site, plugin, cursor.target, cursor.author) { builder.offer($0) }
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
        try forEachRow(.target, site, plugin, author, target) {
            rows.append($0)
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
            try forEachRow(.targetOfAll, site, plugin, target) {
                rows.append($0)
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
        try RecipientDirectoryError.translate(file) {
            try queue.unsafeRead { database in
                var sql = "SELECT count(*) FROM recipient WHERE site = ? AND plugin = ?"
                var values = [site.rawValue, plugin.rawValue]
                if let author {
                    sql += " AND author = ?"
                    values.append(author)
                }
                let statement = try database.cachedStatement(sql: sql)
                return try Int.fetchOne(statement, arguments: StatementArguments(values)) ?? 0
            }
        }
    }

    /// Steps through the rows until `body` gives false.
    private func forEachRow(
        _ query: Query,
        _ site: SiteName,
        _ plugin: PluginName,
        _ values: String...,
        body: (Recipient) -> Bool
    ) throws(RecipientDirectoryError) {
        try RecipientDirectoryError.translate(file) {
            // No transaction: one SELECT is a snapshot by itself.
            try queue.unsafeRead { database in
                let arguments = [site.rawValue, plugin.rawValue] + values
                try TextQuery(database, sql: query.rawValue).forEachRow(arguments) { body(Recipient($0)) }
            }
        }
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
