// SPDX-License-Identifier: Apache-2.0
import GRDB
import QueueCore
import Testing

@testable import QueueStore

/// The recipe in Schema.swift: each version that was released gets a test here that migrates a store of it.
@Suite struct SchemaTests {
    private let fixture: StoreFixture

    init() throws { fixture = try StoreFixture() }

    private func names(_ type: String) throws -> [String] {
        try fixture.look { database in
            try String.fetchAll(
                database,
                sql: "SELECT name FROM sqlite_master WHERE type = ? AND name NOT LIKE 'sqlite%' ORDER BY name",
                arguments: [type]
            )
        }
    }

    @Test("A fresh store has the tables and indexes of the newest version, and nothing else")
    func fresh() throws {
        _ = try fixture.open()
        #expect(try names("table") == ["block", "body", "grdb_migrations", "item", "lane", "meta", "name", "notice"])
        #expect(
            try names("index") == [
                "body_hash", "item_dead", "item_dead_order", "item_dedupe", "item_delayed", "item_notice",
                "item_parked", "item_ready",
                "lane_key", "lane_next", "notice_number", "notice_uri",
            ]
        )
        #expect(try names("trigger").isEmpty && names("view").isEmpty)
    }

    @Test("Its version is noted, and all migrations have run")
    func version() throws {
        _ = try fixture.open()
        let (applied, isComplete) = try fixture.look { database in
            (try Schema.migrator.appliedIdentifiers(database), try Schema.migrator.hasCompletedMigrations(database))
        }
        #expect(applied == ["1", "2", "3"] && isComplete)
    }

    @Test("Tables take only values of their columns' types")
    func strict() throws {
        _ = try fixture.open()
        let loose = try fixture.look { database in
            try String.fetchAll(
                database,
                sql:
                    "SELECT name FROM pragma_table_list WHERE schema = 'main' AND strict = 0 AND name NOT LIKE 'sqlite%'"
            )
        }
        #expect(loose == ["grdb_migrations"])
    }

    @Test("What readers select are columns of an item, in the order in which they are read")
    func columns() throws {
        _ = try fixture.open()
        let columns = try fixture.look { database in
            try String.fetchAll(database, sql: "SELECT name FROM pragma_table_info('item')")
        }
        let selected = StoreReader.columns.split { $0 == "," || $0 == " " }.map(String.init)
        #expect(Set(selected).isSubset(of: columns))
        #expect(Set(columns).subtracting(selected) == ["dedupe_hash", "reason", "text"])
    }

    @Test("A store of version 1 is migrated: its items are there, and its file can shrink from now on")
    func version1() async throws {
        var configuration = Configuration()
        configuration.journalMode = .wal
        let old = try DatabaseQueue(path: fixture.path, configuration: configuration)
        try Schema.migrator.migrate(old, upTo: "1")
        try await old.write { database in
            try database.execute(
                sql: """
                    INSERT INTO meta VALUES ('next_id', 100);
                    INSERT INTO name VALUES (1, 'out'), (2, 'alice');
                    INSERT INTO item (id, state, rank, seq, due, attempts, kills, maybe, queue, site, enqueued, expires,
                        reason, payload)
                    VALUES (7, 0, 10, 7, 0, 0, 0, 0, 1, 2, 1000, 0, NULL, x'41'),
                        (8, 4, 10, 8, 9, 3, 0, 0, 1, 2, 1000, 0, 'gone', x'42');
                    """
            )
        }
        try old.close()
        #expect(try fixture.number("PRAGMA auto_vacuum") == 0)

        let store = try fixture.open()
        #expect(store.givesBack && store.id > 0)
        let (ready, dead) = try await store.fetch { reader in
            (try reader.allReady().map(\.text), try reader.dead(DeadFilter(), after: 0, limit: 9, .whole).letters)
        }
        #expect(ready == ["A"] && dead.map(\.item.text) == ["B"] && dead.first?.item.attempts == 3)
        #expect(try fixture.number("PRAGMA auto_vacuum") == 2)
        let again = try await fixture.reopen(store)
        #expect(again.id == store.id && again.givesBack)
    }

    @Test("Opening a store again changes nothing of its schema")
    func again() throws {
        let definitions = { (database: Database) in
            try String.fetchAll(database, sql: "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
        }
        _ = try fixture.open()
        let first = try fixture.look(definitions)
        _ = try fixture.open()
        #expect(try fixture.look(definitions) == first)
        #expect(first.count == 20)
    }
}
