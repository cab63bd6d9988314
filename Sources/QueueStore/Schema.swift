// SPDX-License-Identifier: Apache-2.0
import GRDB

// The store's schema, as numbered migrations.
//
// To change it: add `migrator.registerMigration("N+1")` below with the statements that lead from N to N+1, never touch
// an earlier one, add the new columns to `StoredItem.columns` and `StoreTransaction.insert`, and add a case to
// SchemaTests that migrates a store with items of version N. An older hostd refuses a newer store and leaves it alone.
//
// What a migration can't do, since it needs no transaction around it, stands in StoreFile: `auto_vacuum` is set before
// the first table of a new file, and an older file is rewritten once (VACUUM).

/// States of an item as stored.
///
/// `claimed` is not among them: a claim needs no write, so that what was claimed when the broker died is ready again.
package enum StoredState: Int64, Sendable {
    /// Waits for a worker, in order of `rank`, then `seq`.
    case ready = 0
    /// Waits until `due`.
    case delayed = 1
    /// Waits for its lane, in order of `id`.
    case parked = 2
    /// Delivered; kept for history. `due` = when.
    case done = 3
    /// Given up. `due` = when, `reason` and `text` = why.
    case dead = 4
    /// Given up for a reason that needs nobody (a subscription that is gone); kept for history as `done` is.
    case discarded = 5
}

enum Schema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1") { db in
            try db.execute(
                sql: """
                    CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
                    CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
                    CREATE TABLE body (
                        id INTEGER PRIMARY KEY, hash INTEGER NOT NULL, refs INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;
                    CREATE INDEX body_hash ON body (hash);
                    -- One row a notice that was distributed or put on a stage-1 queue, for `queuectl notice`.
                    CREATE TABLE notice (
                        id INTEGER PRIMARY KEY, site INTEGER NOT NULL, number TEXT NOT NULL, uri TEXT NOT NULL,
                        seen INTEGER NOT NULL) STRICT;
                    CREATE INDEX notice_number ON notice (number);
                    CREATE INDEX notice_uri ON notice (uri);
                    -- Narrow columns that change come first, so that a change rewrites no overflow page.
                    CREATE TABLE item (
                        id INTEGER PRIMARY KEY,
                        state INTEGER NOT NULL, rank INTEGER NOT NULL, seq INTEGER NOT NULL, due INTEGER NOT NULL,
                        attempts INTEGER NOT NULL, kills INTEGER NOT NULL, maybe INTEGER NOT NULL,
                        queue INTEGER NOT NULL, site INTEGER NOT NULL, lane INTEGER, body INTEGER, notice INTEGER,
                        enqueued INTEGER NOT NULL, expires INTEGER NOT NULL, dedupe_hash INTEGER,
                        reason TEXT, text TEXT, cursor BLOB,
                        target TEXT, lane_key TEXT, dedupe TEXT, headers BLOB, payload BLOB NOT NULL) STRICT;
                    CREATE INDEX item_ready ON item (queue, site, rank, seq) WHERE state = 0;
                    CREATE INDEX item_delayed ON item (due, queue, site) WHERE state = 1;
                    CREATE INDEX item_parked ON item (lane, id, queue, site) WHERE state = 2;
                    CREATE INDEX item_dead ON item (queue, site) WHERE state = 4;
                    CREATE INDEX item_notice ON item (notice) WHERE notice IS NOT NULL;
                    CREATE INDEX item_dedupe ON item (dedupe_hash) WHERE dedupe_hash IS NOT NULL;
                    -- A lane that is not in its default state, or that has parked items.
                    CREATE TABLE lane (
                        hash INTEGER PRIMARY KEY, queue INTEGER NOT NULL, site INTEGER NOT NULL, key TEXT NOT NULL,
                        state INTEGER NOT NULL, next_attempt INTEGER NOT NULL, openings INTEGER NOT NULL,
                        reason TEXT NOT NULL) STRICT;
                    CREATE INDEX lane_next ON lane (next_attempt);
                    """
            )
        }
        migrator.registerMigration("2") { db in
            try db.execute(
                sql: """
                    -- Dead letters in order, so that paging through a million of them looks at each once.
                    CREATE INDEX item_dead_order ON item (id) WHERE state = 4;
                    -- Tells whose files in queue.dead_letter_dir are.
                    INSERT OR IGNORE INTO meta (key, value) VALUES ('store_id', random() & 9223372036854775807);
                    """
            )
        }
        migrator.registerMigration("3") { db in
            try db.execute(
                sql: """
                    -- Targets that an operator blocked; an empty site is all of them.
                    CREATE TABLE block (
                        pattern TEXT NOT NULL, site TEXT NOT NULL, since INTEGER NOT NULL,
                        PRIMARY KEY (pattern, site)) STRICT, WITHOUT ROWID;
                    CREATE INDEX lane_key ON lane (key);
                    -- When it failed last; 0 = never.
                    ALTER TABLE lane ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;
                    """
            )
        }
        return migrator
    }
}
