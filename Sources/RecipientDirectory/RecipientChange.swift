// SPDX-License-Identifier: Apache-2.0
import GRDB
import QueueCore

/// A row to make or replace; checked.
struct RecipientChange: Sendable {
    var author: String
    var target: String
    var key: String
    /// nil = keep what the row has, so that the lines of an export without secrets can be imported again.
    var credentials: String?
    /// nil = keep what the row has.
    var options: String?

    /// Inside a transaction; nil = there is no such row.
    func heldVersion(_ database: Database, _ site: SiteName, _ plugin: PluginName) throws -> UInt64? {
        let statement = try database.cachedStatement(
            sql: """
                SELECT version FROM recipient WHERE site = ? AND plugin = ? AND author = ? AND target = ? AND key = ?
                """
        )
        return try Int64.fetchOne(statement, arguments: [site.rawValue, plugin.rawValue, author, target, key])
            .map { UInt64($0) }
    }

    /// Inside a transaction.
    ///
    /// A row that says the same already keeps its version, unless `isForced`.
    func put(_ database: Database, _ site: SiteName, _ plugin: PluginName, version: UInt64, isForced: Bool) throws {
        let statement = try database.cachedStatement(
            sql: """
                INSERT INTO recipient VALUES (?1, ?2, ?3, ?4, ?5, coalesce(?6, ''), coalesce(?7, ''), ?8)
                ON CONFLICT DO UPDATE SET
                    credentials = coalesce(?6, credentials), options = coalesce(?7, options), version = ?8
                WHERE ?9 OR coalesce(?6, credentials) IS NOT credentials OR coalesce(?7, options) IS NOT options
                """
        )
        statement.setUncheckedArguments([
            site.rawValue, plugin.rawValue, author, target, key, credentials, options, Int64(version), isForced,
        ])
        try statement.execute()
    }

    /// Inside a transaction; without `hasKey` every key of the target goes.
    func remove(_ database: Database, _ site: SiteName, _ plugin: PluginName, hasKey: Bool) throws {
        _ = try RecipientWriter.remove(
            database,
            site,
            plugin,
            author: author,
            target: target,
            key: hasKey ? key : nil
        )
    }
}
