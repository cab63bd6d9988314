// SPDX-License-Identifier: Apache-2.0
import Foundation
import GRDB
import QueueCore
import TestSupport

@testable import QueueStore

/// A queue store's file in a directory of its own.
struct StoreFixture: Sendable {
    let directory: TemporaryDirectory
    var path: String { directory.file("queue.db") }

    init() throws { directory = try TemporaryDirectory() }

    func open(maxPages: Int? = nil, diskFree: (@Sendable () -> Int64?)? = nil) throws -> QueueStore {
        try QueueStore(path: path, maxPages: maxPages, diskFree: diskFree) { work in work() }
    }

    /// The store as the next start finds it.
    func reopen(_ store: QueueStore) async throws -> QueueStore {
        await store.end()
        return try open()
    }

    /// What a connection of its own finds in the file.
    func look<Value>(_ work: (Database) throws -> Value) throws -> Value {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        let found = try queue.read(work)
        try queue.close()
        return found
    }

    func number(_ sql: String) throws -> Int64? {
        try look { try Int64.fetchOne($0, sql: sql) }
    }

    /// Changes the file behind the store's back.
    func change(_ work: (Database) throws -> Void) throws {
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        try queue.writeWithoutTransaction(work)
        try queue.close()
    }
}

extension QueueStore {
    /// `write`, awaited.
    @discardableResult
    func commit<Value: Sendable>(
        _ kind: WriteKind = .upkeep,
        _ work: @escaping @Sendable (StoreTransaction) throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Value, any Error>) in
            write(as: kind) { (transaction) throws(QueueStoreError) -> Value in
                try typed { try work(transaction) }
            } completion: { result in
                continuation.resume(with: result)
            }
        }
    }

    /// `read`, awaited.
    func fetch<Value: Sendable>(
        _ work: @escaping @Sendable (StoreReader) throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Value, any Error>) in
            read { (reader) throws(QueueStoreError) -> Value in
                try typed { try work(reader) }
            } completion: { result in
                continuation.resume(with: result)
            }
        }
    }

    /// `close`, awaited.
    func end() async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            close { continuation.resume() }
        }
    }
}

private func typed<Value>(_ work: () throws -> Value) throws(QueueStoreError) -> Value {
    do {
        return try work()
    } catch let error as QueueStoreError {
        throw error
    } catch {
        throw .failed(code: -1, text: "\(error)")
    }
}

extension Incoming {
    /// An item of alice's queue `out`, enqueued at 1000.
    static func make(
        _ payload: String = "frame",
        queue: String = "out",
        site: String = "alice",
        _ change: (inout Incoming) -> Void = { _ in }
    ) -> Incoming {
        var item = Incoming(queue: queue, site: site, payload: Array(payload.utf8), enqueuedMs: 1000)
        change(&item)
        return item
    }

    /// An item for a target.
    static func to(_ target: String, _ payload: String = "frame", site: String = "alice") -> Incoming {
        make(payload, site: site) { $0.target = target }
    }
}

extension StoreTransaction {
    /// Adds an item that is no duplicate, at 1000.
    @discardableResult
    func add(_ new: Incoming) throws -> StoredItem {
        switch try insert(new, nowMs: 1000, dedupeSince: 0) {
        case .stored(let item): return item
        case .duplicate(let id): throw TestSupportError.missing("a new item: it is a duplicate of \(id)")
        }
    }

    /// The id of the item of which `new` is a duplicate; nil where it was stored.
    func duplicate(_ new: Incoming, since: Int64 = 0) throws -> Int64? {
        switch try insert(new, nowMs: 1000, dedupeSince: since) {
        case .stored: return nil
        case .duplicate(let id): return id
        }
    }

    /// Saves the lane of `item`, open until `next`.
    func shut(_ item: StoredItem, next: Int64 = 5000, state: StoredLane.State = .open, reason: String = "down") throws {
        guard let hash = item.lane else { throw TestSupportError.missing("the lane of item \(item.id)") }
        try save(
            lane: StoredLane(
                hash: hash,
                queue: item.queue,
                site: item.site,
                key: item.laneName,
                state: state,
                nextAttemptMs: next,
                openings: 1,
                reason: reason
            )
        )
    }
}

extension StoreReader {
    func item(_ id: Int64) throws -> StoredItem? {
        let find = try HotStatement("SELECT \(Self.columns) FROM item WHERE id = ?", connection)
        find.bind(1, id)
        return try Self.readItems(find, bodies: BodyLoader(connection)).first
    }

    /// All ready items, source after source, each in its order.
    func allReady() throws -> [StoredItem] {
        try readySources().flatMap { try ready($0, after: 0, limit: 1000) }
    }
}

extension StoredItem {
    var text: String { String(decoding: payload, as: UTF8.self) }
}
