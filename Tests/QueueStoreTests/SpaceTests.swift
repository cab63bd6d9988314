// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Foundation
import GRDB
import QueueCore
import TestSupport
import Testing

@testable import QueueStore

/// What the store takes of the disk, gives back, and keeps for what ends deliveries.
@Suite struct SpaceTests {
    private static let pages = 200
    private static let payload = String(repeating: "x", count: 3000)

    private let fixture: StoreFixture

    init() throws { fixture = try StoreFixture() }

    private func fileSize() throws -> Int64 {
        let size = try FileManager.default.attributesOfItem(atPath: fixture.path)[.size] as? NSNumber
        return try #require(size).int64Value
    }

    /// Adds items as producers do, until there is no more room for them.
    private func fill(_ store: QueueStore) async throws -> [Int64] {
        var ids: [Int64] = []
        while ids.count < 2000 {
            do {
                ids.append(try await store.commit(.intake) { try $0.add(.make(Self.payload)).id })
            } catch QueueStoreError.diskFull {
                return ids
            }
        }
        throw TestSupportError.missing("the end of the disk")
    }

    @Test("After history has ended the file shrinks, step by step, and what is left is whole")
    func shrinks() async throws {
        let store = try fixture.open()
        #expect(store.givesBack)
        let kept = try await store.commit { transaction in
            var kept: Int64 = 0
            for number in 0..<3000 {
                let id = try transaction.add(.make(Self.payload)).id
                if number == 2999 { kept = id } else { try transaction.finish(id, nowMs: 1000) }
            }
            return kept
        }
        store.checkpoint()
        try await eventually("a big file") { try fileSize() > 9_000_000 }
        var place: Int64? = 0
        while let after = place {
            place = try await store.commit { try $0.forget(before: 2000, after: after, limit: 500).next }
        }
        let free = store.space.freePages
        #expect(free > 2000)
        try await store.commit { try $0.reclaim(pages: 256) }
        #expect(store.space.freePages == free - 256, "one step is a bounded one")
        while store.space.freePages > 0 { try await store.commit { try $0.reclaim(pages: 256) } }
        store.checkpoint()
        try await eventually("a small file") { try fileSize() < 1_000_000 }
        let left = try await fixture.reopen(store).fetch { try $0.allReady().map(\.id) }
        #expect(left == [kept])
        #expect(try fixture.look { try String.fetchOne($0, sql: "PRAGMA integrity_check") } == "ok")
    }

    @Test("New items find no room before what ends old ones does: every delivery of a full store can be settled")
    func reserve() async throws {
        let store = try fixture.open(maxPages: Self.pages)
        let ids = try await fill(store)
        #expect(ids.count > 100)
        let reason = String(repeating: "why ", count: 10)
        try await store.commit { transaction in
            for (index, id) in ids.enumerated() {
                switch index % 3 {
                case 0: try transaction.finish(id, nowMs: 2000)
                case 1:
                    try transaction.bury(id, reason: .gone, text: reason, counts: Counts(), isKept: true, nowMs: 2000)
                default:
                    try transaction.delay(
                        id,
                        dueMs: 9000,
                        rank: Rank(priority: 4, isRetry: true),
                        counts: Counts(attempts: 1),
                        text: reason
                    )
                }
            }
        }
        await #expect(throws: QueueStoreError.diskFull) {
            try await store.commit(.intake) { _ = try $0.add(.make(Self.payload)) }
        }
        let counts = try await fixture.reopen(store).fetch { try $0.stateCounts() }
        #expect(counts.map(\.count).reduce(0, +) == Int64(ids.count - (ids.count + 2) / 3))
    }

    @Test("In one group with an item that finds no room, outcomes are written all the same, and all are told in order")
    func mixedGroup() async throws {
        let store = try fixture.open(maxPages: Self.pages)
        let ids = try await fill(store)
        let results = EventLog<String>()
        let gate = DispatchSemaphore(value: 0)
        store.write { (_) throws(QueueStoreError) in
            gate.wait()
        } completion: { _ in
        }
        for (number, id) in ids.prefix(3).enumerated() {
            store.write(as: .intake) { (transaction) throws(QueueStoreError) in
                try transaction.insert(.make(Self.payload + Self.payload), nowMs: 1000, dedupeSince: 0)
            } completion: { result in
                if case .failure(let error) = result { results.append("item \(number) \(error.kind)") }
            }
            store.write { (transaction) throws(QueueStoreError) in
                try transaction.finish(id, nowMs: 2000)
            } completion: { result in
                if case .success = result { results.append("outcome \(number)") }
            }
        }
        // More than once: where it is in one group with an item that finds no room, it runs again.
        for _ in 0..<8 { gate.signal() }
        let seen = try await results.first(6)
        #expect(seen == (0..<3).flatMap { ["item \($0) disk-full", "outcome \($0)"] })
        let left = try await fixture.reopen(store).fetch { try $0.allReady().map(\.id) }
        #expect(left == Array(ids.dropFirst(3)))
    }

    @Test("With little left of the disk new items stop, with a share left for outcomes; with room they go on")
    func littleLeft() async throws {
        let free = EventLog<Int64>()
        free.append(PageLimit.diskReserve + 400_000)
        let store = try fixture.open(diskFree: { free.all.last })
        // The file system's figure stands still here: what may be added is what lies over the reserve, each time.
        await #expect(throws: QueueStoreError.diskFull) {
            try await store.commit(.intake) { transaction in
                for _ in 0..<200 { try transaction.add(.make(Self.payload)) }
            }
        }
        let id = try await store.commit(.intake) { try $0.add(.make(Self.payload)).id }
        free.append(1000)
        await #expect(throws: QueueStoreError.diskFull) {
            try await store.commit(.intake) { _ = try $0.add(.make(String(repeating: "y", count: 100_000))) }
        }
        try await store.commit { try $0.finish(id, nowMs: 2000) }
        #expect(store.space.diskFree == 1000)
        free.append(1 << 40)
        try await store.commit(.intake) { transaction in
            for _ in 0..<200 { try transaction.add(.make(Self.payload)) }
        }
    }

    @Test("Some of a roomy disk is held back, given up once, and taken again")
    func heldBack() throws {
        let path = fixture.directory.file("reserve")
        let reserve = DiskReserve(path: path)
        reserve.hold(diskFree: PageLimit.plenty)
        #expect(!reserve.release(), "nothing is held of a disk that is short")
        reserve.hold(diskFree: PageLimit.plenty + 1)
        let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? NSNumber
        #expect(size?.int64Value == DiskReserve.bytes)
        let next = DiskReserve(path: path)
        #expect(next.release(), "a restart finds what is held")
        #expect(!next.release())
        #expect(!FileManager.default.fileExists(atPath: path))
    }
}
