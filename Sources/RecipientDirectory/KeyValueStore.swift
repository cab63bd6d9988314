// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import GRDB
package import QueueCore

/// A plugin's small durable value.
package struct KeyValue: Hashable, Sendable {
    package let value: [UInt8]
    package let version: UInt64
}

/// Limits of `hostd.kv/1`.
package enum KeyValueLimits {
    package static let key = 1...512
    package static let value = 64 * 1024
    /// As version of a put: only if there is no value.
    package static let onlyIfAbsent = UInt64.max
}

/// Reads kv.db: a connection of its own, for one thread; sees the last commit of any process.
package final class KeyValueReader {
    private let file: String
    private let queue: DatabaseQueue

    /// Makes the file where there is none.
    package init(path: String) throws(RecipientDirectoryError) {
        file = path
        queue = try DatabaseFile.openForReading(path, .values)
    }

    package func close() throws(RecipientDirectoryError) {
        try RecipientDirectoryError.translate(file) { try queue.close() }
    }

    /// nil where there is none, or none any more at `nowMs` (Unix time).
    package func get(
        _ site: SiteName,
        _ plugin: PluginName,
        _ key: String,
        nowMs: Int64
    ) throws(RecipientDirectoryError)
        -> KeyValue?
    {
        try FieldLimits.check("key", key, KeyValueLimits.key)
        return try RecipientDirectoryError.translate(file) {
            try queue.unsafeRead { try KeyValue.fetch($0, site, plugin, key, nowMs) }
        }
    }
}

/// Changes kv.db: a connection of its own, for one thread.
///
/// A call returns when the change is on disk.
package final class KeyValueWriter {
    private let file: String
    private let queue: DatabaseQueue

    package init(path: String) throws(RecipientDirectoryError) {
        file = path
        queue = try DatabaseFile.openForWriting(path, .values)
    }

    package func close() throws(RecipientDirectoryError) {
        try RecipientDirectoryError.translate(file) { try queue.close() }
    }

    /// Sets a value; an empty one removes it.
    ///
    /// `version` 0 = whatever is there, `onlyIfAbsent` = only if there is none, else only if it still has that version.
    /// `ttlSeconds` 0 = for ever.
    /// - Returns: the new version; 0 after a removal.
    /// - Throws: `stale` where the condition isn't met; `invalid` for a key or value beyond its limit.
    @discardableResult
    package func put(
        _ site: SiteName,
        _ plugin: PluginName,
        _ key: String,
        _ value: [UInt8],
        version: UInt64 = 0,
        ttlSeconds: UInt32 = 0,
        nowMs: Int64
    ) throws(RecipientDirectoryError) -> UInt64 {
        try FieldLimits.check("key", key, KeyValueLimits.key)
        guard value.count <= KeyValueLimits.value else {
            throw .invalid(field: "value", reason: "is longer than \(KeyValueLimits.value / 1024) KiB")
        }
        return try RecipientDirectoryError.translate(file) {
            try queue.write { database in
                if version != 0 {
                    let held = try KeyValue.fetch(database, site, plugin, key, nowMs)?.version
                    guard held == (version == KeyValueLimits.onlyIfAbsent ? nil : version) else {
                        throw RecipientDirectoryError.stale
                    }
                }
                if value.isEmpty {
                    let statement = try database.cachedStatement(
                        sql: "DELETE FROM value WHERE site = ? AND plugin = ? AND key = ?"
                    )
                    try statement.execute(arguments: [site.rawValue, plugin.rawValue, key])
                    return 0
                }
                let version = try Schema.nextVersion(database)
                let expires = ttlSeconds == 0 ? 0 : max(1, nowMs + Int64(ttlSeconds) * 1000)
                let statement = try database.cachedStatement(
                    sql: "INSERT OR REPLACE INTO value VALUES (?, ?, ?, ?, ?, ?)"
                )
                try statement.execute(arguments: [
                    site.rawValue, plugin.rawValue, key, Data(value), Int64(version), expires,
                ])
                return version
            }
        }
    }

    /// Frees the room of up to `limit` values whose time is over; for a timer.
    ///
    /// Until then nobody sees them either. - Returns: how many.
    @discardableResult
    package func purge(nowMs: Int64, limit: Int = 1000) throws(RecipientDirectoryError) -> Int {
        try RecipientDirectoryError.translate(file) {
            try queue.write { database in
                try database.execute(
                    sql: """
                        DELETE FROM value WHERE (site, plugin, key) IN
                            (SELECT site, plugin, key FROM value WHERE expires > 0 AND expires <= ? LIMIT ?)
                        """,
                    arguments: [nowMs, limit]
                )
                return database.changesCount
            }
        }
    }
}

extension KeyValue {
    fileprivate static func fetch(
        _ database: Database,
        _ site: SiteName,
        _ plugin: PluginName,
        _ key: String,
        _ nowMs: Int64
    ) throws -> KeyValue? {
        let statement = try database.cachedStatement(
            sql: """
                SELECT value, version FROM value
                WHERE site = ? AND plugin = ? AND key = ? AND (expires = 0 OR expires > ?)
                """
        )
        let row = try Row.fetchOne(statement, arguments: [site.rawValue, plugin.rawValue, key, nowMs])
        return row.map { KeyValue(value: Array($0[0] as Data), version: UInt64($0[1] as Int64)) }
    }
}
