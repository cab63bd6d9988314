// SPDX-License-Identifier: Apache-2.0
import Foundation
import GRDB

/// The store's file, opened for writing and for reading.
struct StoreFile {
    /// An older file that is bigger isn't rewritten at a start: everybody would have to wait for it.
    private static let rewriteLimit: Int64 = 256 << 20

    let writer: DatabaseQueue
    let reader: DatabaseQueue
    /// Free pages can be given back to the file system.
    let givesBack: Bool

    init(_ path: String, maxPages: Int?) throws {
        var reading = Configuration()
        reading.readonly = true
        reading.busyMode = .timeout(5)
        reading.prepareDatabase { db in try db.execute(sql: "PRAGMA cache_size = -8000") }
        // A newer store, and a damaged one, are refused by a connection that can't write: setting up WAL writes already.
        if FileManager.default.fileExists(atPath: path) {
            let found = try DatabaseQueue(path: path, configuration: reading)
            if try found.read({ try Schema.migrator.hasBeenSuperseded($0) }) {
                throw QueueStoreError.newerSchema(path: path)
            }
            try found.close()
        }
        let isNew = (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0 == 0
        var configuration = Configuration()
        configuration.journalMode = .wal
        configuration.busyMode = .timeout(5)
        configuration.prepareDatabase { db in
            // Of a new file it has to be said before anything else, WAL mode included.
            if isNew { try db.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL") }
            try db.execute(
                sql: "PRAGMA cache_size = -16000; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 4000;"
            )
            if let maxPages { try db.execute(sql: "PRAGMA max_page_count = \(maxPages)") }
        }
        writer = try DatabaseQueue(path: path, configuration: configuration)
        try Schema.migrator.migrate(writer)
        givesBack = try writer.writeWithoutTransaction(Self.makeGiveBack)
        try writer.writeWithoutTransaction { db in
            // GRDB sets NORMAL when it sets up WAL: FULL comes after opening, and is read back.
            try db.execute(sql: "PRAGMA synchronous = FULL")
            let found = try Int.fetchOne(db, sql: "PRAGMA synchronous") ?? -1
            guard found == 2 else { throw QueueStoreError.notDurable(path: path, found: found) }
        }
        reader = try DatabaseQueue(path: path, configuration: reading)
    }

    /// A file of schema 1 was made without auto_vacuum: it is rewritten once, where it is small and there is room.
    private static func makeGiveBack(_ db: Database) throws -> Bool {
        func isSet() throws -> Bool { try Int.fetchOne(db, sql: "PRAGMA auto_vacuum") == 2 }
        if try isSet() { return true }
        let pages = try Int64.fetchOne(db, sql: "PRAGMA page_count") ?? 0
        guard pages * StoreSpace.pageBytes <= rewriteLimit else { return false }
        do {
            // The copy goes through a temporary file: not through memory.
            try db.execute(sql: "PRAGMA temp_store = FILE; PRAGMA auto_vacuum = INCREMENTAL; VACUUM")
        } catch let error as DatabaseError where [.SQLITE_FULL, .SQLITE_IOERR].contains(error.resultCode) {
            // No room for the copy: the file is as it was, and good.
        }
        try db.execute(sql: "PRAGMA temp_store = MEMORY")
        return try isSet()
    }
}
