// SPDX-License-Identifier: Apache-2.0
import GRDB
package import QueueCore

/// Changes the recipients directory: a connection of its own, for one thread.
///
/// A call returns when the change is on disk. Several writers, also in several processes, wait for each other for up to
/// 5 s.
package final class RecipientWriter {
    let file: String
    let queue: DatabaseQueue

    /// Makes the file where there is none, and brings an older one to today's schema.
    package init(path: String) throws(RecipientDirectoryError) {
        file = path
        queue = try DatabaseFile.openForWriting(path, .recipients)
    }

    package func close() throws(RecipientDirectoryError) {
        try RecipientDirectoryError.translate(file) { try queue.close() }
    }

    /// Makes or replaces the row of (author, target, key) and gives its new version.
    ///
    /// `recipient.version` 0 = whatever is there; else the row must still have that version: `stale` says that it has
    /// another one by now, or is gone. `invalid` names a field that can't be taken.
    @discardableResult
    package func put(
        _ site: SiteName,
        _ plugin: PluginName,
        _ recipient: Recipient
    ) throws(RecipientDirectoryError) -> UInt64 {
        try FieldLimits.check(author: recipient.author, target: recipient.target, key: recipient.key)
        let change = RecipientChange(
            author: recipient.author,
            target: recipient.target,
            key: recipient.key,
            credentials: try JSONObjectText.canonical("credentials", recipient.credentials),
            options: try JSONObjectText.canonical("options", recipient.options)
        )
        return try RecipientDirectoryError.translate(file) {
            try queue.write { database in
                if recipient.version != 0 {
                    guard try change.heldVersion(database, site, plugin) == recipient.version else {
                        throw RecipientDirectoryError.stale
                    }
                }
                let version = try Schema.nextVersion(database)
                try change.put(database, site, plugin, version: version, isForced: true)
                return version
            }
        }
    }

    /// Removes a target's rows (unsubscribed, or gone) and says how many; `author` nil = of every author, `key` nil =
    /// every key.
    @discardableResult
    package func remove(
        _ site: SiteName,
        _ plugin: PluginName,
        author: String? = nil,
        target: String,
        key: String? = nil
    ) throws(RecipientDirectoryError) -> Int {
        try RecipientDirectoryError.translate(file) {
            try queue.write { try Self.remove($0, site, plugin, author: author, target: target, key: key) }
        }
    }

    /// Inside a transaction.
    static func remove(
        _ database: Database,
        _ site: SiteName,
        _ plugin: PluginName,
        author: String?,
        target: String,
        key: String?
    ) throws -> Int {
        var sql = "DELETE FROM recipient WHERE site = ? AND plugin = ? AND target = ?"
        var values = [site.rawValue, plugin.rawValue, target]
        if let author {
            sql += " AND author = ?"
            values.append(author)
        }
        if let key {
            sql += " AND key = ?"
            values.append(key)
        }
        let statement = try database.cachedStatement(sql: sql)
        try statement.execute(arguments: StatementArguments(values))
        return database.changesCount
    }
}
