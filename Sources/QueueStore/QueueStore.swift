// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Foundation
import GRDB
import NIOConcurrencyHelpers

/// The embedded broker's store: one SQLite file in WAL mode with `synchronous=FULL`, written by one thread with group
/// commit.
///
/// What `write` reported as done is on disk.
///
/// Used by the broker's event loop: calls return at once, completions come on the store's threads in the order of the
/// calls, several at a time (`deliver`). Thread-safe.
package final class QueueStore: Sendable {
    /// One caller's work in a group's transaction, and how it learns the result once that is on disk.
    private struct Work: Sendable {
        let run: @Sendable (StoreTransaction) throws(QueueStoreError) -> @Sendable () -> Void
        let fail: @Sendable (QueueStoreError) -> Void
    }

    private struct Pending: Sendable {
        var works: [Work] = []
        var isScheduled = false
        var isClosed = false
    }

    package let path: String
    /// Items with a smaller id were there when the store was opened: they may have been in flight when the last broker
    /// ended.
    package let firstID: Int64
    private let writer: DatabaseQueue
    private let reader: DatabaseQueue
    private let writeQueue = DispatchQueue(label: "hostd.store.write")
    private let readQueue = DispatchQueue(label: "hostd.store.read")
    private let pending = NIOLockedValueBox(Pending())
    private let deliver: @Sendable (@escaping @Sendable () -> Void) -> Void
    // Confined to `writeQueue`, respectively `readQueue`: each holds prepared statements of its connection.
    private nonisolated(unsafe) let transaction: StoreTransaction
    private nonisolated(unsafe) let pageReader: StoreReader

    /// Opens the store at `path`, makes it where there is none, and migrates it.
    ///
    /// `deliver` runs a group's completions where their callers want them, as on an event loop. `maxPages` is the seam
    /// at which tests make the disk full: how many pages of 4 KiB the file may have.
    package init(
        path: String,
        maxPages: Int? = nil,
        deliver: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void
    ) throws(QueueStoreError) {
        self.path = path
        self.deliver = deliver
        do {
            (writer, reader) = try Self.open(path, maxPages: maxPages)
            (transaction, firstID) = try writer.writeWithoutTransaction { db in
                guard let connection = db.sqliteConnection else { throw QueueStoreError.closed }
                let transaction = try StoreTransaction(connection)
                return (transaction, transaction.firstID)
            }
            pageReader = try reader.unsafeRead { db in
                guard let connection = db.sqliteConnection else { throw QueueStoreError.closed }
                return try StoreReader(connection)
            }
        } catch let error as QueueStoreError {
            throw error
        } catch let error as DatabaseError {
            let text = error.message ?? "SQLite \(error.extendedResultCode.rawValue)"
            switch error.resultCode {
            case .SQLITE_NOTADB, .SQLITE_CORRUPT: throw .corrupt(path: path, text: text)
            case .SQLITE_FULL: throw .diskFull
            default: throw .cannotOpen(path: path, text: text)
            }
        } catch {
            throw .cannotOpen(path: path, text: "\(error)")
        }
    }

    private static func open(_ path: String, maxPages: Int?) throws -> (DatabaseQueue, DatabaseQueue) {
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
        var configuration = Configuration()
        configuration.journalMode = .wal
        configuration.busyMode = .timeout(5)
        configuration.prepareDatabase { db in
            try db.execute(
                sql: "PRAGMA cache_size = -16000; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 4000;"
            )
            if let maxPages { try db.execute(sql: "PRAGMA max_page_count = \(maxPages)") }
        }
        let writer = try DatabaseQueue(path: path, configuration: configuration)
        try Schema.migrator.migrate(writer)
        try writer.writeWithoutTransaction { db in
            // GRDB sets NORMAL when it sets up WAL: FULL comes after opening, and is read back.
            try db.execute(sql: "PRAGMA synchronous = FULL")
            let found = try Int.fetchOne(db, sql: "PRAGMA synchronous") ?? -1
            guard found == 2 else { throw QueueStoreError.notDurable(path: path, found: found) }
        }
        return (writer, try DatabaseQueue(path: path, configuration: reading))
    }

    /// Runs `work` in the next group's transaction.
    ///
    /// `completion` gets its result once that is on disk, or the error that undid it: of `work` alone (what it did is
    /// undone, the group goes on), or of the whole group (a full disk).
    package func write<Result: Sendable>(
        _ work: @escaping @Sendable (StoreTransaction) throws(QueueStoreError) -> Result,
        completion: @escaping @Sendable (Swift.Result<Result, QueueStoreError>) -> Void
    ) {
        let entry = Work(
            run: { (transaction) throws(QueueStoreError) in
                let result = try work(transaction)
                return { completion(.success(result)) }
            },
            fail: { completion(.failure($0)) }
        )
        let (isClosed, mustSchedule) = pending.withLockedValue { pending in
            if pending.isClosed { return (true, false) }
            pending.works.append(entry)
            defer { pending.isScheduled = true }
            return (false, !pending.isScheduled)
        }
        if isClosed { deliver { entry.fail(.closed) } }
        if mustSchedule { writeQueue.async { self.commitGroups() } }
    }

    /// Group commit: what came in while the last group was being made durable is the next group.
    private func commitGroups() {
        while true {
            let group = pending.withLockedValue { pending in
                defer { pending.works = [] }
                if pending.works.isEmpty { pending.isScheduled = false }
                return pending.works
            }
            if group.isEmpty { return }
            let completions = commit(group)
            deliver { for completion in completions { completion() } }
        }
    }

    private func commit(_ group: [Work]) -> [@Sendable () -> Void] {
        var completions: [@Sendable () -> Void] = []
        completions.reserveCapacity(group.count)
        let failure: QueueStoreError? = writer.writeWithoutTransaction { _ in
            do throws(QueueStoreError) {
                try transaction.begin()
                for work in group {
                    try transaction.savepoint()
                    do throws(QueueStoreError) {
                        completions.append(try work.run(transaction))
                        try transaction.release()
                    } catch {
                        // A full disk fails the whole group, also where SQLite undid one statement only.
                        if error == .diskFull || transaction.isLost { throw error }
                        try transaction.undo()
                        completions.append { work.fail(error) }
                    }
                }
                try transaction.commit()
                return nil
            } catch {
                transaction.rollback()
                return error
            }
        }
        guard let failure else { return completions }
        return group.map { work in { work.fail(failure) } }
    }

    /// Runs `work` on the reading connection: it sees what was on disk when it began.
    package func read<Result: Sendable>(
        _ work: @escaping @Sendable (StoreReader) throws(QueueStoreError) -> Result,
        completion: @escaping @Sendable (Swift.Result<Result, QueueStoreError>) -> Void
    ) {
        readQueue.async { [self] in
            let result: Swift.Result<Result, QueueStoreError> = reader.unsafeReentrantRead { _ in
                do throws(QueueStoreError) {
                    return .success(try work(pageReader))
                } catch {
                    return .failure(error)
                }
            }
            deliver { completion(result) }
        }
    }

    /// Takes no more work, finishes what there is, and then calls `completion` on the store's thread.
    package func close(completion: @escaping @Sendable () -> Void) {
        pending.withLockedValue { $0.isClosed = true }
        writeQueue.async { [self] in
            commitGroups()
            // A stopped store is one file again, so that a copy of it misses nothing. Where this fails, the WAL stays.
            writer.writeWithoutTransaction { db in _ = try? db.checkpoint(.truncate) }
            completion()
        }
    }
}
