// SPDX-License-Identifier: Apache-2.0
import GRDB
import QueueCore
import TestSupport
import Testing

@testable import QueueStore

/// Targets that an operator blocked: what the store keeps of it, and of whose items.
@Suite struct BlocksTests {
    private let fixture: StoreFixture

    init() throws { fixture = try StoreFixture() }

    private func block(_ pattern: String, site: String = "", since: Int64 = 1000) throws -> TargetBlock {
        TargetBlock(pattern: try #require(TargetPattern(pattern)), site: site, sinceMs: since)
    }

    @Test("A block is kept over a restart, the first time counts, and it goes by pattern and site")
    func kept() async throws {
        let store = try fixture.open()
        let (all, one) = (try block("*.example"), try block("*.example", site: "alice", since: 2000))
        let later = try block("*.example", since: 9000)
        try await store.commit { transaction in
            for block in [all, one, later] { try transaction.add(block) }
        }
        let reopened = try await fixture.reopen(store)
        #expect(try await reopened.fetch { try $0.blocks() } == [all, one])
        try await reopened.commit { try $0.remove(all) }
        #expect(try await reopened.fetch { try $0.blocks() } == [one])
    }

    @Test("Rows of blocked lanes sleep, over a restart too; unblocked, they are due and start with a probe")
    func lanes() async throws {
        let store = try fixture.open()
        try await store.commit { transaction in
            for target in ["http://a.example/", "http://b.org/"] {
                try transaction.shut(try transaction.add(.to(target)), next: 5000)
            }
        }
        let blocked = TargetBlocks([try block("*.example", site: "alice")])
        try await store.commit { try $0.apply(blocked, nowMs: 2000) }
        let again = try await fixture.reopen(store)
        let due = try await again.commit { try $0.dueLanes(nowMs: 1_000_000, limit: 10, leaseMs: 1000).lanes }
        #expect(due.map(\.key) == ["http://b.org/"])
        let counts = try await again.fetch { try $0.laneCounts() }
        #expect(counts == [.open: 1, .blocked: 1])
        let row = try await again.fetch { try $0.lanes(key: "http://a.example/").first?.lane }
        #expect(row?.reason == TargetBlock.reason)
        #expect(row?.nextAttemptMs == StoredLane.never)
        try await again.commit { try $0.apply(TargetBlocks(), nowMs: 3000) }
        let freed = try await again.commit { try $0.dueLanes(nowMs: 3000, limit: 10, leaseMs: 1000).lanes }
        #expect(freed.map(\.key) == ["http://a.example/"])
        #expect(freed.first?.state == .open)
    }

    @Test("What waits is found span by span, and is given up once")
    func waiting() async throws {
        let store = try fixture.open()
        let (ids, last) = try await store.commit { transaction in
            let waiting = try transaction.add(.to("t"))
            let delayed = try transaction.add(.make { ($0.target, $0.dueMs) = ("t", 9000) })
            try transaction.add(.to("other"))
            try transaction.add(.make("no target"))
            let done = try transaction.add(.to("t"))
            try transaction.finish(done.id, nowMs: 1000)
            return ([waiting.id, delayed.id], done.id)
        }
        var found: [DroppedItem] = []
        var place: Int64? = 0
        while let after = place {
            let page = try await store.fetch { reader in
                try reader.waiting(after: after, upTo: last, span: 2) { target, _ in target == "t" }
            }
            found += page.items
            place = page.next
        }
        #expect(found.map(\.id) == ids)
        let all = found
        let dropped = try await store.commit { try $0.discard(all, text: "blocked", nowMs: 2000) }
        #expect(dropped == found)
        let again = try await store.commit { try $0.discard(all, text: "blocked", nowMs: 2000) }
        #expect(again.isEmpty)
        let state = try await store.fetch { try $0.item(ids[0])?.state }
        #expect(state == .discarded)
    }
}

/// What became of a target's items.
@Suite struct TargetHistoryTests {
    private let fixture: StoreFixture

    init() throws { fixture = try StoreFixture() }

    @Test("What was delivered or died since then can be replayed, with its frame; nothing that was taken away")
    func replayable() async throws {
        let store = try fixture.open()
        let ids = try await store.commit { transaction -> [Int64] in
            func bury(_ id: Int64, _ reason: DeadReason, isKept: Bool) throws {
                try transaction.bury(id, reason: reason, text: "", counts: Counts(), isKept: isKept, nowMs: 3000)
            }
            func add(_ site: String = "alice") throws -> Int64 {
                var new = Incoming.to("t", site: site)
                new.shared = Array("body".utf8)
                return try transaction.add(new).id
            }
            let old = try add()
            try transaction.finish(old, nowMs: 1000)
            let delivered = try add()
            try transaction.finish(delivered, nowMs: 2000)
            let dead = try add()
            try bury(dead, .maxRetries, isKept: true)
            try bury(try add(), .gone, isKept: false)
            try bury(try add(), .dropped, isKept: true)
            _ = try add()
            try transaction.finish(try transaction.add(.to("other")).id, nowMs: 2000)
            let bobs = try add("bob")
            try transaction.finish(bobs, nowMs: 2000)
            return [delivered, dead, bobs]
        }
        func find(site: String? = nil, queue: String? = nil, limit: Int = 100) async throws -> [Replayable] {
            var found: [Replayable] = []
            var place: Int64? = 0
            while let after = place {
                let page = try await store.fetch { reader in
                    try reader.replayable(
                        target: "t",
                        since: 2000,
                        site: site,
                        queue: queue,
                        after: after,
                        upTo: 1000,
                        limit: limit
                    )
                }
                found += page.items
                place = page.next
            }
            return found
        }
        let found = try await find()
        #expect(found.map(\.item.id) == ids)
        #expect(found.allSatisfy { $0.item.body?.bytes == Array("body".utf8) && !$0.isFrameGone })
        #expect(try await find(limit: 1).map(\.item.id) == ids)
        #expect(try await find(site: "bob").map(\.item.id) == [ids[2]])
        #expect(try await find(queue: "elsewhere").isEmpty)
        try fixture.change { try $0.execute(sql: "DELETE FROM body") }
        #expect(try await find().allSatisfy(\.isFrameGone))
    }

    @Test("What waits by itself is counted by site and queue; what ended is found from the newest backwards")
    func counts() async throws {
        let store = try fixture.open()
        let last = try await store.commit { transaction -> Int64 in
            for _ in 0..<3 { try transaction.add(.to("t")) }
            try transaction.add(.make { ($0.target, $0.dueMs) = ("t", 9000) })
            try transaction.add(.to("t", site: "bob"))
            try transaction.add(.to("other"))
            let done = try transaction.add(.to("t"))
            try transaction.finish(done.id, nowMs: 4000)
            return done.id
        }
        let waiting = try await store.fetch { try $0.waiting(forTarget: "t", limit: 1000) }
        #expect(waiting.map(\.count).sorted() == [1, 4])
        let ended = try await store.fetch { try $0.ended(target: "t", below: last + 1, downTo: 1) }
        #expect(ended.items.map(\.endedMs) == [4000])
        #expect(ended.next == nil)
        let hurried = try await store.commit { transaction -> [Int] in
            let item = try transaction.add(.to("t"))
            try transaction.delay(
                item.id,
                dueMs: 9000,
                rank: item.rank,
                counts: Counts(attempts: 1),
                text: "HTTP 503"
            )
            return [
                try transaction.hurry(target: "t", site: item.site + 100, nowMs: 2000),
                try transaction.hurry(target: "t", site: nil, nowMs: 2000),
                try transaction.hurry(target: "t", site: nil, nowMs: 2000),
            ]
        }
        #expect(hurried == [0, 1, 0])
    }
}
