// SPDX-License-Identifier: Apache-2.0
import GRDB

/// The tables of one kind of file, as the list of steps that led to them.
///
/// To change a schema: append one step to `migrations`, never edit one that was released. It runs in one transaction on
/// the rows of every installation, so keep it short or make it lazy. Step n brings `user_version` from n - 1 to n;
/// nothing else has to be counted up. An older hostd then refuses the file, so a step also ends the way back: say so in
/// CHANGELOG.md. Add a test that opens a file of the step before.
struct Schema: Sendable {
    /// SQLite's application_id: tells the kinds of files apart, and ours from others'.
    let applicationID: Int32
    let migrations: [String]

    /// `hrcp`: who of a site's authors is delivered where.
    ///
    /// The key puts the recipients of one author side by side in the order of pages; the index does so for all authors.
    /// `sequence` gives versions that are never used twice, also after a row was removed and made again.
    static let recipients = Schema(
        applicationID: 0x6872_6370,
        migrations: [
            """
            CREATE TABLE recipient (
                site TEXT NOT NULL,
                plugin TEXT NOT NULL,
                author TEXT NOT NULL,
                target TEXT NOT NULL,
                key TEXT NOT NULL,          -- '' = none
                credentials TEXT NOT NULL,  -- a JSON object; '' = none
                options TEXT NOT NULL,      -- a JSON object; '' = none
                version INTEGER NOT NULL,
                PRIMARY KEY (site, plugin, author, target, key)
            ) STRICT, WITHOUT ROWID;
            CREATE INDEX recipient_by_target ON recipient (site, plugin, target, author, key);
            CREATE TABLE sequence (last INTEGER NOT NULL) STRICT;
            INSERT INTO sequence VALUES (0);
            """
        ]
    )

    /// `hkvs`: small durable values of plugins.
    static let values = Schema(
        applicationID: 0x686B_7673,
        migrations: [
            """
            CREATE TABLE value (
                site TEXT NOT NULL,
                plugin TEXT NOT NULL,
                key TEXT NOT NULL,
                value BLOB NOT NULL,
                version INTEGER NOT NULL,
                expires INTEGER NOT NULL,   -- Unix milliseconds; 0 = never
                PRIMARY KEY (site, plugin, key)
            ) STRICT, WITHOUT ROWID;
            CREATE INDEX value_by_expiry ON value (expires) WHERE expires > 0;
            CREATE TABLE sequence (last INTEGER NOT NULL) STRICT;
            INSERT INTO sequence VALUES (0);
            """
        ]
    )

    /// The step that the file is at.
    ///
    /// Refuses a file of another kind or of a newer hostd; writes nothing.
    func version(_ database: Database, _ file: String) throws -> Int {
        let version = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
        let application = try Int32.fetchOne(database, sql: "PRAGMA application_id") ?? 0
        if application != applicationID {
            let isEmpty = try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_schema") == 0
            guard isEmpty, version == 0, application == 0 else { throw RecipientDirectoryError.foreign(file: file) }
        }
        guard version <= migrations.count else {
            throw RecipientDirectoryError.newerSchema(file: file, found: version, known: migrations.count)
        }
        return version
    }

    /// Outside a transaction.
    ///
    /// Two processes may do so at once: the second finds nothing left to do.
    func migrate(_ database: Database, _ file: String) throws {
        guard try version(database, file) < migrations.count else { return }
        try database.inTransaction(.immediate) {
            for step in try version(database, file)..<migrations.count {
                try database.execute(sql: migrations[step])
                try database.execute(sql: "PRAGMA user_version = \(step + 1)")
            }
            try database.execute(sql: "PRAGMA application_id = \(applicationID)")
            return .commit
        }
    }

    /// Inside a transaction: a number that was never given before in this file.
    static func nextVersion(_ database: Database) throws -> UInt64 {
        let statement = try database.cachedStatement(sql: "UPDATE sequence SET last = last + 1 RETURNING last")
        guard let version = try Int64.fetchOne(statement) else {
            throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "the table sequence is empty")
        }
        return UInt64(version)
    }
}
