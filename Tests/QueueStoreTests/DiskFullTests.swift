// SPDX-License-Identifier: Apache-2.0
import Dispatch
import QueueCore
import TestSupport
import Testing

@testable import QueueStore

/// A full disk: the writer learns it, nothing acknowledged is lost, and once there is room it goes on.
@Suite struct DiskFullTests {
    private let fixture: StoreFixture
    /// An empty store has 22 pages.
    private static let pages = 100
    private static let payload = String(repeating: "x", count: 2000)

    init() throws { fixture = try StoreFixture() }

    /// Adds items until the disk is full; returns the ids that were acknowledged.
    private func fill(_ store: QueueStore) async throws -> [Int64] {
        var acknowledged: [Int64] = []
        for _ in 0..<1000 {
            do {
                acknowledged.append(try await store.commit { try $0.add(.make(Self.payload)).id })
            } catch QueueStoreError.diskFull {
                return acknowledged
            }
        }
        throw TestSupportError.missing("the end of the disk")
    }

    private func ids(_ store: QueueStore) async throws -> [Int64] {
        try await store.fetch { try $0.allReady().map(\.id) }
    }

    @Test("Writes fail as a full disk's do, again and again, and all that was acknowledged is there")
    func full() async throws {
        let store = try fixture.open(maxPages: Self.pages)
        let acknowledged = try await fill(store)
        #expect(acknowledged.count > 50)
        for _ in 0..<3 {
            await #expect(throws: QueueStoreError.diskFull) {
                try await store.commit { _ = try $0.add(.make(Self.payload + Self.payload)) }
            }
        }
        #expect(try await ids(store) == acknowledged)
        let again = try await fixture.reopen(store)
        #expect(try await ids(again) == acknowledged)
    }

    @Test("Room that is made by removing items is used again, with ids and names of their own")
    func roomByRemoving() async throws {
        let store = try fixture.open(maxPages: Self.pages)
        let acknowledged = try await fill(store)
        await #expect(throws: QueueStoreError.diskFull) {
            try await store.commit { transaction in
                _ = try transaction.add(.make("no room", site: "zoe"))
                _ = try transaction.add(.make(String(repeating: "y", count: 100_000), site: "zoe"))
            }
        }
        try await store.commit { transaction in
            for id in acknowledged.prefix(20) { try transaction.remove(id) }
        }
        let added = try await store.commit { try $0.add(.make(Self.payload, site: "zoe")) }
        #expect(!acknowledged.contains(added.id))
        let again = try await fixture.reopen(store)
        #expect(try await ids(again) == Array(acknowledged.dropFirst(20)) + [added.id])
        let names = try await again.fetch { try $0.names() }
        #expect(names[added.site] == "zoe" && names.count == 3)
        #expect(again.firstID > added.id)
    }

    @Test("With a bigger disk it goes on where it was")
    func biggerDisk() async throws {
        let store = try fixture.open(maxPages: Self.pages)
        let acknowledged = try await fill(store)
        let again = try await fixture.reopen(store)
        let added = try await again.commit { transaction in
            try (0..<200).map { _ in try transaction.add(.make(Self.payload)).id }
        }
        #expect(try await ids(again) == acknowledged + added)
    }

    @Test("All of a group fails with the writer that found no room, and nothing of it is stored")
    func wholeGroup() async throws {
        let store = try fixture.open(maxPages: Self.pages)
        let results = EventLog<String>()
        let gate = DispatchSemaphore(value: 0)
        store.write { (_) throws(QueueStoreError) in
            gate.wait()
        } completion: { _ in
        }
        for (name, size) in [("small", 10), ("huge", 1_000_000), ("later", 10)] {
            store.write { (transaction) throws(QueueStoreError) in
                let payload = String(repeating: "x", count: size)
                return try transaction.insert(.make(payload) { $0.shared = [1] }, nowMs: 1000, dedupeSince: 0)
            } completion: { result in
                switch result {
                case .success: results.append("\(name) stored")
                case .failure(let error): results.append("\(name) \(error.kind)")
                }
            }
        }
        gate.signal()
        let seen = try await results.first(3)
        #expect(seen == ["small disk-full", "huge disk-full", "later disk-full"])
        try await store.commit { _ = try $0.add(.make("after") { $0.shared = [1] }) }
        let again = try await fixture.reopen(store)
        let texts = try await again.fetch { try $0.allReady().map(\.text) }
        #expect(texts == ["after"])
        #expect(try fixture.number("SELECT refs FROM body") == 1)
        #expect(try fixture.number("SELECT count(*) FROM body") == 1)
    }
}
