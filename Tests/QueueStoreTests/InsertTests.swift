// SPDX-License-Identifier: Apache-2.0
import QueueCore
import TestSupport
import Testing

@testable import QueueStore

/// What becomes of an item that is added: its number, its state, its shared body, and duplicates.
@Suite struct InsertTests {
    private let fixture: StoreFixture

    init() throws { fixture = try StoreFixture() }

    @Test("All that an item says is there after a restart")
    func wholeItem() async throws {
        let store = try fixture.open()
        let added = try await store.commit { transaction in
            let notice = try transaction.notice(site: "alice", number: "7", uri: "tag:7", nowMs: 1000)
            return try transaction.add(
                .make("päyload\0") { item in
                    item.shared = [0, 255]
                    item.target = "https://remote.example/"
                    item.lane = "remote.example"
                    item.dedupeKey = "key"
                    item.priority = 7
                    item.expiresMs = 99_000
                    item.headers = [9, 0, 9]
                    item.notice = notice
                }
            )
        }
        let again = try await fixture.reopen(store)
        let stored = try await again.fetch { try $0.item(added.id) }
        let item = try #require(stored)
        for found in [added, item] {
            #expect(found.text == "päyload\0")
            #expect(found.body?.bytes == [0, 255])
            #expect(found.headers == [9, 0, 9])
            #expect(found.target == "https://remote.example/" && found.laneKey == "remote.example")
            #expect(found.laneName == "remote.example" && found.dedupeKey == "key")
            #expect(found.state == .ready && found.rank == Rank(priority: 7, isRetry: false) && found.seq == added.id)
            #expect(found.enqueuedMs == 1000 && found.expiresMs == 99_000 && found.notice == added.notice)
            #expect(found.attempts == 0 && found.kills == 0 && found.maybe == 0 && found.cursor.isEmpty)
            #expect(found.lane == LaneHash(site: added.site, queue: added.queue, key: "remote.example"))
        }
        #expect(item.notice != nil)
    }

    @Test("A bare item has neither lane, body, notice nor key; an empty payload stays empty")
    func bareItem() async throws {
        let store = try fixture.open()
        let id = try await store.commit { try $0.add(.make("", queue: "/queue/plain", site: "")).id }
        let again = try await fixture.reopen(store)
        let stored = try await again.fetch { try $0.item(id) }
        let item = try #require(stored)
        #expect(item.lane == nil && item.body == nil && item.notice == nil && item.dedupeKey.isEmpty)
        #expect(item.payload.isEmpty && item.headers.isEmpty && item.target.isEmpty && item.site == 0)
        let names = try await again.fetch { try $0.names() }
        #expect(names[item.queue] == "/queue/plain")
    }

    @Test("An item's lane is its target where it names none")
    func laneOfTarget() async throws {
        let store = try fixture.open()
        let items = try await store.commit { transaction in
            [
                try transaction.add(.to("t")), try transaction.add(.make { ($0.target, $0.lane) = ("t", "t") }),
                try transaction.add(.make { $0.lane = "t" }), try transaction.add(.to("t", site: "bob")),
            ]
        }
        #expect(items[0].lane == items[1].lane && items[1].lane == items[2].lane && items[0].lane != items[3].lane)
        #expect(items.prefix(3).map(\.laneName) == ["t", "t", "t"])
        #expect(items[1].laneKey.isEmpty, "it is stored once")
    }

    // MARK: Ids

    @Test("No id is given out twice: not after a restart, not after what had it was removed")
    func idsAfterRestart() async throws {
        var store = try fixture.open()
        #expect(store.firstID == 1)
        var last: Int64 = 0
        for _ in 0..<4 {
            let (first, seen) = (store.firstID, last)
            let ids = try await store.commit { transaction in
                let ids = try (0..<3).map { _ in try transaction.add(.make()).id }
                for id in ids { try transaction.remove(id) }
                return ids
            }
            #expect(ids.allSatisfy { $0 > seen && $0 >= first } && ids == ids.sorted())
            last = ids.max() ?? 0
            store = try await fixture.reopen(store)
            #expect(store.firstID > last, "what was there at start has a smaller id")
        }
    }

    @Test("Ids whose reservation was undone with an erring work aren't given out twice")
    func idsAfterUndo() async throws {
        let no = QueueStoreError.failed(code: 7, text: "no")
        let store = try fixture.open()
        await #expect(throws: no) {
            try await store.commit { transaction in
                try transaction.add(.make("undone"))
                throw no
            }
        }
        let ids = try await store.commit { transaction in
            try (0..<5).map { _ in try transaction.add(.make("kept")).id }
        }
        let again = try await fixture.reopen(store)
        #expect(again.firstID > ids.max() ?? .max)
        let later = try await again.commit { transaction in
            try (0..<5).map { _ in try transaction.add(.make("later")).id }
        }
        #expect(Set(ids + later).count == 10)
        let found = try await again.fetch { try $0.allReady().count }
        #expect(found == 10)
    }

    @Test("More ids than a block holds are taken without a gap in the order")
    func blocks() async throws {
        let store = try fixture.open()
        let (first, last) = try await store.commit { transaction in
            let first = try transaction.takeID()
            for _ in 0..<250_000 { _ = try transaction.takeID() }
            return (first, try transaction.takeID())
        }
        #expect(last == first + 250_001)
        let again = try await fixture.reopen(store)
        #expect(again.firstID > last)
    }

    // MARK: Duplicates

    @Test("The same key in one site and queue is one item, for as long as that waits")
    func duplicateWaiting() async throws {
        let store = try fixture.open()
        let new = Incoming.make("a") { $0.dedupeKey = "k" }
        let late = Incoming.make("b") { ($0.dedupeKey, $0.dueMs) = ("late", 5000) }
        let (first, delayed) = try await store.commit { (try $0.add(new).id, try $0.add(late).id) }
        let again = try await fixture.reopen(store)
        let found = try await again.commit { transaction in
            [try transaction.duplicate(new, since: .max), try transaction.duplicate(late, since: .max)]
        }
        #expect(found == [first, delayed])
    }

    @Test("Another key, site or queue is another item, and so is one without a key")
    func noDuplicate() async throws {
        let store = try fixture.open()
        let others = [
            Incoming.make { $0.dedupeKey = "K" }, .make(site: "bob") { $0.dedupeKey = "k" },
            .make(queue: "other") { $0.dedupeKey = "k" }, .make(), .make(),
        ]
        let found = try await store.commit { transaction in
            try transaction.add(.make { $0.dedupeKey = "k" })
            return try others.map { try transaction.duplicate($0) }
        }
        #expect(found == [nil, nil, nil, nil, nil])
        #expect(try fixture.number("SELECT count(*) FROM item") == 6)
    }

    @Test(
        "An ended item counts within the window, its first millisecond included",
        arguments: [StoredState.done, .dead, .discarded]
    )
    func duplicateEnded(_ state: StoredState) async throws {
        let store = try fixture.open()
        let new = Incoming.make { $0.dedupeKey = "k" }
        let first = try await store.commit { transaction in
            let id = try transaction.add(new).id
            if state == .done {
                try transaction.finish(id, nowMs: 5000)
            } else {
                try transaction.bury(
                    id,
                    reason: .gone,
                    text: "",
                    counts: Counts(),
                    isKept: state == .dead,
                    nowMs: 5000
                )
            }
            return id
        }
        let found = try await store.commit { transaction in
            [
                try transaction.duplicate(new, since: 4999), try transaction.duplicate(new, since: 5000),
                try transaction.duplicate(new, since: 5001),
            ]
        }
        #expect(found == [first, first, nil])
    }

    @Test("An item that was removed is forgotten")
    func duplicateRemoved() async throws {
        let store = try fixture.open()
        let new = Incoming.make { $0.dedupeKey = "k" }
        let found = try await store.commit { transaction in
            try transaction.remove(try transaction.add(new).id)
            return try transaction.duplicate(new)
        }
        #expect(found == nil)
    }

    // MARK: Bodies

    private func bodies() throws -> [Int64?] {
        [try fixture.number("SELECT count(*) FROM body"), try fixture.number("SELECT sum(refs) FROM body")]
    }

    @Test("What items share is stored once, counted, and removed with the last of them")
    func sharedBody() async throws {
        let store = try fixture.open()
        let new = Incoming.make { $0.shared = Array("shared".utf8) }
        let first = try await store.commit { transaction in
            [try transaction.add(new).id, try transaction.add(new).id]
        }
        let second = try await store.commit { transaction in
            [try transaction.add(.make { $0.shared = [1] }).id, try transaction.add(new).id]
        }
        #expect(try bodies() == [2, 4])
        try await store.commit { transaction in
            for id in first { try transaction.remove(id) }
        }
        #expect(try bodies() == [2, 2])
        let again = try await fixture.reopen(store)
        let items = try await again.fetch { try $0.allReady() }
        #expect(items.map { $0.body?.bytes } == [[1], Array("shared".utf8)])
        try await again.commit { transaction in
            for id in second { try transaction.remove(id) }
        }
        #expect(try bodies() == [0, nil])
    }

    @Test("A page has a shared body in memory once")
    func sharedInMemory() async throws {
        let store = try fixture.open()
        try await store.commit { transaction in
            for _ in 0..<3 { try transaction.add(.make { $0.shared = [1, 2] }) }
        }
        let again = try await fixture.reopen(store)
        let items = try await again.fetch { try $0.allReady() }
        #expect(items.count == 3 && items.allSatisfy { $0.body != nil && $0.body === items[0].body })
    }

    @Test("A body whose last item goes while another comes stays; one that came and went in one group is gone")
    func bodyInOneGroup() async throws {
        let store = try fixture.open()
        let new = Incoming.make { $0.shared = [1] }
        let first = try await store.commit { try $0.add(new).id }
        let second = try await store.commit { transaction in
            try transaction.remove(first)
            return try transaction.add(new).id
        }
        #expect(try bodies() == [1, 1])
        try await store.commit { transaction in
            try transaction.remove(second)
            try transaction.remove(try transaction.add(.make { $0.shared = [2] }).id)
        }
        #expect(try bodies() == [0, nil])
    }

    @Test("A delivered item keeps its body for history")
    func bodyOfDelivered() async throws {
        let store = try fixture.open()
        try await store.commit { transaction in
            try transaction.finish(try transaction.add(.make { $0.shared = [1] }).id, nowMs: 2000)
        }
        #expect(try bodies() == [1, 1])
    }
}
