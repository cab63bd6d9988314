// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Foundation
import GRDB
import NIOConcurrencyHelpers

/// What a write is for, which says how much of the last room it may take.
package enum WriteKind: Sendable {
    /// Adds items: fails with `diskFull` while there is still room for outcomes.
    case intake
    /// Ends, moves or removes items.
    case upkeep
}

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
        let kind: WriteKind
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
    /// Its number, for what lies beside it.
    package let id: Int64
    /// Free pages can be given back to the file system; a big file of an older hostd can't.
    package let givesBack: Bool
    private let writer: DatabaseQueue
    private let reader: DatabaseQueue
    private let writeQueue = DispatchQueue(label: "hostd.store.write")
    private let readQueue = DispatchQueue(label: "hostd.store.read")
    private let pending = NIOLockedValueBox(Pending())
    private let deliver: @Sendable (@escaping @Sendable () -> Void) -> Void
    // Confined to `writeQueue`, respectively `readQueue`: each holds prepared statements of its connection.
    private nonisolated(unsafe) let transaction: StoreTransaction
    private nonisolated(unsafe) let pageReader: StoreReader
    private nonisolated(unsafe) let reserve: DiskReserve
    private let limit: PageLimit
    private let diskFree: @Sendable () -> Int64?
    private let measured: NIOLockedValueBox<StoreSpace>
    private let deadObserver = NIOLockedValueBox<(@Sendable ([DeadChange]) -> Void)?>(nil)

    /// Opens the store at `path`, makes it where there is none, and migrates it.
    ///
    /// `deliver` runs a group's completions where their callers want them, as on an event loop. `maxPages` is the seam
    /// at which tests make the disk full: how many pages of 4 KiB the file may have; `diskFree` the one at which they
    /// make it short: bytes that the file system has left.
    package init(
        path: String,
        maxPages: Int? = nil,
        diskFree: (@Sendable () -> Int64?)? = nil,
        deliver: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void
    ) throws(QueueStoreError) {
        self.path = path
        self.deliver = deliver
        let diskFree = diskFree ?? { StoreSpace.free(at: path) }
        self.diskFree = diskFree
        limit = PageLimit(diskPages: maxPages.map(Int64.init))
        reserve = DiskReserve(path: path + "-reserve")
        do {
            let file = try StoreFile(path, maxPages: maxPages)
            (writer, reader, givesBack) = (file.writer, file.reader, file.givesBack)
            let space: StoreSpace
            (transaction, space) = try writer.writeWithoutTransaction { db in
                guard let connection = db.sqliteConnection else { throw QueueStoreError.closed }
                let transaction = try StoreTransaction(connection)
                return (transaction, try transaction.measure(diskFree: diskFree()))
            }
            (firstID, id) = (transaction.firstID, transaction.storeID)
            measured = NIOLockedValueBox(space)
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

    /// Runs `work` in the next group's transaction.
    ///
    /// `completion` gets its result once that is on disk, or the error that undid it: of `work` alone (what it did is
    /// undone, the group goes on), or of the whole group (a full disk).
    package func write<Result: Sendable>(
        as kind: WriteKind = .upkeep,
        _ work: @escaping @Sendable (StoreTransaction) throws(QueueStoreError) -> Result,
        completion: @escaping @Sendable (Swift.Result<Result, QueueStoreError>) -> Void
    ) {
        let entry = Work(
            kind: kind,
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
            let (completions, changes) = commit(group)
            let observer = changes.isEmpty ? nil : deadObserver.withLockedValue(\.self)
            deliver {
                for completion in completions { completion() }
                observer?(changes)
            }
        }
    }

    /// Each work's completion, in order, and what was done to dead letters.
    private func commit(_ group: [Work]) -> ([@Sendable () -> Void], [DeadChange]) {
        let (completions, failure) = attempt(group)
        guard let failure else { return (completions, transaction.deadChanges) }
        let upkeep = group.filter { $0.kind == .upkeep }
        // What ends work mustn't wait for room that only new items lack.
        if failure == .diskFull, !upkeep.isEmpty, upkeep.count < group.count {
            let (done, changes) = commit(upkeep)
            var rest = done[...]
            let all = group.map { work -> @Sendable () -> Void in
                if work.kind == .upkeep, let completion = rest.popFirst() { return completion }
                return { work.fail(failure) }
            }
            return (all, changes)
        }
        if failure == .diskFull, !upkeep.isEmpty, reserve.release() { return commit(group) }
        return (group.map { work in { work.fail(failure) } }, [])
    }

    private func attempt(_ group: [Work]) -> ([@Sendable () -> Void], QueueStoreError?) {
        var completions: [@Sendable () -> Void] = []
        completions.reserveCapacity(group.count)
        let pages = limit.pages(
            hasIntake: group.contains { $0.kind == .intake },
            fileBytes: space.fileBytes,
            diskFree: diskFree()
        )
        let failure: QueueStoreError? = writer.writeWithoutTransaction { _ in
            do throws(QueueStoreError) {
                try transaction.limit(pages: pages)
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
        measure()
        return (completions, failure)
    }

    private func measure() {
        let free = diskFree()
        writer.writeWithoutTransaction { _ in
            guard let space = try? transaction.measure(diskFree: free) else { return }
            measured.withLockedValue { $0 = space }
        }
    }

    /// As of the last commit, or the last look.
    package var space: StoreSpace { measured.withLockedValue(\.self) }

    /// Measures again, for what others do to the disk; behind what is being written.
    package func look(completion: @escaping @Sendable () -> Void) {
        writeQueue.async { [self] in
            measure()
            if reserve.isWanted { reserve.hold(diskFree: diskFree()) }
            deliver(completion)
        }
    }

    /// What happens to dead letters, told after the completions of the group that did it.
    package func watchDeadLetters(_ observer: @escaping @Sendable ([DeadChange]) -> Void) {
        deadObserver.withLockedValue { $0 = observer }
    }

    /// Puts what is in the WAL into the file, as far as readers let it: where pages were given back, the file shrinks.
    package func checkpoint() {
        writeQueue.async { [self] in
            writer.writeWithoutTransaction { db in _ = try? db.checkpoint(.passive) }
        }
    }

    /// Holds some of a roomy disk back for the day on which it is full: now, or with a later `look`.
    package func holdReserve() {
        writeQueue.async { [self] in
            reserve.isWanted = true
            reserve.hold(diskFree: diskFree())
        }
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
