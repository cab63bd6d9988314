// SPDX-License-Identifier: Apache-2.0
import GRDB
package import QueueCore

/// What came of the lines of a file.
package struct RecipientImportReport: Hashable, Sendable {
    /// Good lines; 0 where all or none was asked for and a line was bad.
    package internal(set) var accepted = 0
    package internal(set) var rejected = 0
    /// Rows that were made, changed or removed.
    package internal(set) var changed = 0
}

/// A line that can't be taken.
package struct BadRecipientLine: Hashable, Sendable, CustomStringConvertible {
    /// From 1.
    package let number: Int
    package let reason: String

    package var description: String { "line \(number): \(reason)" }
}

/// What the lines are for.
package enum RecipientLineAction: Sendable {
    /// Makes or replaces rows; a member that a line lacks keeps what its row has.
    case put
    /// Removes rows; a line without `key` removes every key of its target.
    case remove
}

extension RecipientWriter {
    /// Lines in one transaction: enough that the fsync doesn't matter, few enough that other writers get in.
    private static let batchSize = 1000

    /// Reads JSON lines to the end of `lines`, for one site and plugin; bad ones are told to `onBadLine`.
    ///
    /// Good lines are taken in batches, each batch whole. With `isStrict` all are taken or none, in one transaction at
    /// the end; no other writer waits while the lines are still read.
    package func apply(
        _ action: RecipientLineAction,
        _ site: SiteName,
        _ plugin: PluginName,
        from lines: LineReader,
        isStrict: Bool = false,
        onBadLine: (BadRecipientLine) -> Void = { _ in }
    ) throws(RecipientDirectoryError) -> RecipientImportReport {
        var lines = lines
        var report = RecipientImportReport()
        if isStrict { try prepareSpool() }
        while let batch = try nextBatch(&lines, plugin, &report, onBadLine) {
            if isStrict {
                // Once one line is bad the rest is only read to report it.
                if report.rejected == 0 { try spool(batch) }
            } else {
                report.changed += try write(batch, action, site, plugin)
            }
            report.accepted += batch.count
        }
        if isStrict {
            if report.rejected == 0 {
                report.changed = try writeSpool(action, site, plugin)
            } else {
                report.accepted = 0
            }
        }
        return report
    }

    /// nil at the end.
    private func nextBatch(
        _ lines: inout LineReader,
        _ plugin: PluginName,
        _ report: inout RecipientImportReport,
        _ onBadLine: (BadRecipientLine) -> Void
    ) throws(RecipientDirectoryError) -> [RecipientLine]? {
        var batch: [RecipientLine] = []
        while batch.count < Self.batchSize, let line = try lines.next() {
            if line.isBlank { continue }
            var reason = "longer than \(LineReader.longestLine / 1024) KiB"
            if !line.isTooLong {
                do {
                    batch.append(try RecipientLine.parse(line.bytes, plugin: plugin))
                    continue
                } catch {
                    reason = error.description
                }
            }
            report.rejected += 1
            onBadLine(BadRecipientLine(number: line.number, reason: reason))
        }
        return batch.isEmpty ? nil : batch
    }

    private func write(
        _ batch: [RecipientLine],
        _ action: RecipientLineAction,
        _ site: SiteName,
        _ plugin: PluginName
    ) throws(RecipientDirectoryError) -> Int {
        try RecipientDirectoryError.translate(file) {
            try queue.write { database in
                let version = action == .put ? try Schema.nextVersion(database) : 0
                let before = database.totalChangesCount
                for line in batch {
                    switch action {
                    case .put: try line.change.put(database, site, plugin, version: version, isForced: false)
                    case .remove: try line.change.remove(database, site, plugin, hasKey: line.hasKey)
                    }
                }
                return database.totalChangesCount - before
            }
        }
    }

    // MARK: - Strict

    // The good lines wait in a temporary table, which SQLite keeps outside the file: nothing is locked meanwhile, and a
    // million lines need no memory.

    private func prepareSpool() throws(RecipientDirectoryError) {
        try RecipientDirectoryError.translate(file) {
            try queue.writeWithoutTransaction { database in
                try database.execute(
                    sql: """
                        DROP TABLE IF EXISTS temp.spool;
                        CREATE TEMP TABLE spool
                            (n INTEGER PRIMARY KEY, author, target, key, has_key, credentials, options);
                        """
                )
            }
        }
    }

    private func spool(_ batch: [RecipientLine]) throws(RecipientDirectoryError) {
        try RecipientDirectoryError.translate(file) {
            try queue.writeWithoutTransaction { database in
                // Deferred: it never touches the file itself.
                try database.inTransaction(.deferred) {
                    let statement = try database.cachedStatement(
                        sql: "INSERT INTO temp.spool VALUES (NULL, ?, ?, ?, ?, ?, ?)"
                    )
                    for line in batch {
                        let change = line.change
                        statement.setUncheckedArguments([
                            change.author, change.target, change.key, line.hasKey, change.credentials, change.options,
                        ])
                        try statement.execute()
                    }
                    return .commit
                }
            }
        }
    }

    private func writeSpool(
        _ action: RecipientLineAction,
        _ site: SiteName,
        _ plugin: PluginName
    ) throws(RecipientDirectoryError) -> Int {
        try RecipientDirectoryError.translate(file) {
            try queue.write { database in
                let rows = try Row.fetchCursor(
                    database,
                    sql: "SELECT author, target, key, has_key, credentials, options FROM temp.spool ORDER BY n"
                )
                let version = action == .put ? try Schema.nextVersion(database) : 0
                let before = database.totalChangesCount
                while let row = try rows.next() {
                    let change = RecipientChange(
                        author: row[0],
                        target: row[1],
                        key: row[2],
                        credentials: row[4],
                        options: row[5]
                    )
                    switch action {
                    case .put: try change.put(database, site, plugin, version: version, isForced: false)
                    case .remove: try change.remove(database, site, plugin, hasKey: row[3])
                    }
                }
                return database.totalChangesCount - before
            }
        }
    }
}
