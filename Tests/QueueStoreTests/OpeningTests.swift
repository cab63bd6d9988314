// SPDX-License-Identifier: Apache-2.0
import Foundation
import GRDB
import QueueCore
import TestSupport
import Testing

@testable import QueueStore

/// What a store is made with, and which files are refused as they are.
@Suite struct OpeningTests {
    private let fixture: StoreFixture

    init() throws { fixture = try StoreFixture() }

    enum Damage: CaseIterable, Sendable {
        case garbage, shortGarbage, halved, header, firstPage

        func apply(to bytes: Data) -> Data {
            switch self {
            case .garbage: Data(repeating: 0xA5, count: 20_000)
            case .shortGarbage: Data("not a database".utf8)
            case .halved: bytes.prefix(bytes.count / 4096 / 2 * 4096)
            case .header: bytes.prefix(100)
            case .firstPage: bytes.prefix(100) + Data(repeating: 0xA5, count: bytes.count - 100)
            }
        }
    }

    private func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(filePath: path)) }

    /// A stopped store with one item, changed by `work`; its bytes, all in one file.
    private func stopped(_ work: (Database) throws -> Void = { _ in }) async throws -> Data {
        let store = try fixture.open()
        try await store.commit { _ = try $0.add(.make("precious")) }
        await store.end()
        try fixture.change { database in
            try work(database)
            try database.checkpoint(.truncate)
        }
        return try bytes(fixture.path)
    }

    @Test("Every commit is synced: synchronous is FULL on the writing connection, in WAL mode")
    func durable() async throws {
        let store = try fixture.open()
        let found = try await store.commit { transaction in
            try ["synchronous", "journal_mode"].map { name in
                let pragma = try HotStatement("PRAGMA \(name)", transaction.connection)
                defer { pragma.reset() }
                return try pragma.step() ? pragma.text(0) : ""
            }
        }
        #expect(found == ["2", "wal"])
    }

    @Test("What was acknowledged is there after a stop, in one file")
    func oneFile() async throws {
        let whole = try await stopped()
        let copy = fixture.directory.file("copy.db")
        try whole.write(to: URL(filePath: copy))
        let store = try QueueStore(path: copy) { work in work() }
        let texts = try await store.fetch { try $0.allReady().map(\.text) }
        #expect(texts == ["precious"])
    }

    @Test("After close nothing is taken any more, and what came before it is written")
    func closed() async throws {
        let store = try fixture.open()
        store.write { (transaction) throws(QueueStoreError) in
            try transaction.insert(.make("last"), nowMs: 1000, dedupeSince: 0)
        } completion: { _ in
        }
        await store.end()
        await #expect(throws: QueueStoreError.closed) { try await store.commit { _ in } }
        let again = try fixture.open()
        let texts = try await again.fetch { try $0.allReady().map(\.text) }
        #expect(texts == ["last"])
    }

    @Test("A store of a newer hostd is refused, and not a byte of it changes")
    func newerSchema() async throws {
        let before = try await stopped { database in
            try database.execute(sql: "INSERT INTO grdb_migrations (identifier) VALUES ('999')")
        }
        let copy = fixture.directory.file("newer.db")
        try before.write(to: URL(filePath: copy))
        #expect(throws: QueueStoreError.newerSchema(path: copy)) { try QueueStore(path: copy) { work in work() } }
        #expect(try bytes(copy) == before)
    }

    @Test("A newer store that was killed is refused too, and neither its file nor its WAL changes")
    func newerSchemaInWAL() async throws {
        _ = try await stopped()
        let copy = fixture.directory.file("newer.db")
        try fixture.change { database in
            try database.execute(sql: "INSERT INTO grdb_migrations (identifier) VALUES ('999')")
            // As a kill leaves it: the change is in the WAL only.
            for suffix in ["", "-wal"] {
                try FileManager.default.copyItem(atPath: fixture.path + suffix, toPath: copy + suffix)
            }
        }
        let before = [try bytes(copy), try bytes(copy + "-wal")]
        #expect(!before[1].isEmpty)
        #expect(throws: QueueStoreError.newerSchema(path: copy)) { try QueueStore(path: copy) { work in work() } }
        let after = [try bytes(copy), try bytes(copy + "-wal")]
        #expect(after == before)
    }

    @Test("A damaged file is refused, and not a byte of it changes", arguments: Damage.allCases)
    func damaged(_ damage: Damage) async throws {
        let bad = damage.apply(to: try await stopped())
        let path = fixture.directory.file("damaged.db")
        try bad.write(to: URL(filePath: path))
        let error = #expect(throws: QueueStoreError.self) { try QueueStore(path: path) { work in work() } }
        guard case .corrupt(path, _) = error else {
            Issue.record("refused as \(String(describing: error))")
            return
        }
        #expect(try bytes(path) == bad)
        #expect(error?.description.contains("left untouched") == true)
    }

    @Test("An empty file, as a crash at the very first start leaves it, becomes a store")
    func emptyFile() async throws {
        try Data().write(to: URL(filePath: fixture.path))
        let store = try fixture.open()
        let item = try await store.commit { try $0.add(.make()) }
        #expect(item.id == 1)
    }

    @Test("A folder that isn't there, or a folder in the file's place, can't be opened")
    func cannotOpen() throws {
        for path in [fixture.directory.file("no/queue.db"), fixture.directory.path] {
            let error = #expect(throws: QueueStoreError.self) { try QueueStore(path: path) { work in work() } }
            guard case .cannotOpen(path, _) = error else {
                Issue.record("refused as \(String(describing: error))")
                return
            }
        }
    }

    @Test("Each error has a kind of its own, and a sentence that names the file")
    func errors() {
        let errors: [QueueStoreError] = [
            .cannotOpen(path: "q.db", text: "no"), .corrupt(path: "q.db", text: "no"), .newerSchema(path: "q.db"),
            .notDurable(path: "q.db", found: 1), .diskFull, .closed, .failed(code: 1, text: "no"),
        ]
        #expect(Set(errors.map(\.kind)).count == errors.count)
        #expect(errors.prefix(4).allSatisfy { $0.description.hasPrefix("q.db: ") })
    }
}
