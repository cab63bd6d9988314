// SPDX-License-Identifier: Apache-2.0
import QueueCore
import TestSupport
import Testing

@testable import QueueStore

/// What `queuectl notice` finds of a notice, and what a delete frame does to it.
@Suite struct NoticesTests {
    private let fixture: StoreFixture

    init() throws { fixture = try StoreFixture() }

    /// A notice of alice's with an item in each state, `stage` being one without a target.
    private func spread() async throws -> (store: QueueStore, notice: Int64, items: [String: Int64]) {
        let store = try fixture.open()
        let (notice, items) = try await store.commit { transaction in
            let notice = try transaction.notice(site: "alice", number: "7", uri: "tag:7", nowMs: 1000)
            var items: [String: StoredItem] = [:]
            for target in ["ready", "retried", "delayed", "parked", "done", "dead", "discarded", "lane"] {
                items[target] = try transaction.add(
                    .make(target) { item in
                        item.target = target == "lane" ? "parked" : target
                        item.notice = notice
                    }
                )
            }
            items["stage"] = try transaction.add(.make("stage", queue: "stage") { $0.notice = notice })
            let other = try transaction.notice(site: "bob", number: "8", uri: "tag:7", nowMs: 1000)
            items["of bob"] = try transaction.add(
                .make("of bob", site: "bob") { item in
                    item.target = "ready"
                    item.notice = other
                }
            )
            try Self.settle(items, transaction)
            return (notice, items.mapValues(\.id))
        }
        return (store, notice, items)
    }

    private static func settle(_ items: [String: StoredItem], _ transaction: StoreTransaction) throws {
        func item(_ name: String) throws -> StoredItem { try #require(items[name]) }
        let once = Counts(attempts: 1)
        let rank = Rank(priority: 4, isRetry: true)
        try transaction.delay(try item("retried").id, dueMs: 1, rank: rank, counts: once, text: "HTTP 500")
        _ = try transaction.promoteDue(nowMs: 1, limit: 10)
        try transaction.delay(try item("delayed").id, dueMs: 9000, rank: rank, counts: once, text: "HTTP 503")
        try transaction.shut(try item("parked"), next: 8000, reason: "refused")
        try transaction.park(try item("parked").id, rank: rank, counts: Counts(), text: "")
        try transaction.park(try item("lane").id, rank: rank, counts: Counts(), text: "reset")
        try transaction.finish(try item("done").id, nowMs: 2000)
        for (name, isKept) in [("dead", true), ("discarded", false)] {
            try transaction.bury(
                try item(name).id,
                reason: .gone,
                text: "no such user",
                counts: once,
                isKept: isKept,
                nowMs: 2000
            )
        }
    }

    @Test("A notice has one row for each site, number and URI, however often it is met")
    func oneRow() async throws {
        let store = try fixture.open()
        let ids = try await store.commit { transaction in
            try [("alice", "7"), ("alice", "7"), ("bob", "7"), ("alice", "8")].map { site, number in
                try transaction.notice(site: site, number: number, uri: "tag:7", nowMs: 1000)
            }
        }
        #expect(ids[0] == ids[1] && Set(ids).count == 3)
        let again = try await fixture.reopen(store)
        let same = try await again.commit { try $0.notice(site: "alice", number: "7", uri: "tag:7", nowMs: 9000) }
        #expect(same == ids[0])
    }

    @Test("It is found by its number and its URI, over all sites or in one, the newest first")
    func found() async throws {
        let store = try fixture.open()
        try await store.commit { transaction in
            _ = try transaction.notice(site: "alice", number: "7", uri: "tag:a", nowMs: 1000)
            _ = try transaction.notice(site: "bob", number: "7", uri: "tag:b", nowMs: 1000)
        }
        let again = try await fixture.reopen(store)
        let rows = try await again.fetch { reader in
            [
                try reader.notices("7", site: nil), try reader.notices("7", site: "alice"),
                try reader.notices("tag:b", site: nil), try reader.notices("tag:b", site: "alice"),
                try reader.notices("' OR 1 = 1", site: nil),
            ]
        }
        #expect(rows.map { $0.map(\.site) } == [["bob", "alice"], ["alice"], ["bob"], [], []])
        #expect(rows[1].first?.uri == "tag:a" && rows[1].first?.number == "7")
    }

    @Test("Its targets are counted by where they are; stage 1 has none")
    func counts() async throws {
        let (store, notice, _) = try await spread()
        let again = try await fixture.reopen(store)
        let counts = try await again.fetch { try $0.counts(ofNotice: notice) }
        #expect(counts == NoticeCounts(delivered: 1, waiting: 1, retrying: 4, dead: 2))
    }

    @Test("Its items show where each is, when it goes on and why it waits")
    func items() async throws {
        let (store, notice, ids) = try await spread()
        let items = try await store.fetch { try $0.items(ofNotice: notice, after: 0, limit: 100) }
        #expect(items.count == 9 && items.map(\.id) == items.map(\.id).sorted())
        func line(_ name: String) -> String {
            items.filter { $0.id == ids[name] }.map { item in
                "\(item.queue) \(item.target) \(item.state) \(item.attempts) \(item.nextAttemptMs) "
                    + "\(item.reason) \(item.text)"
            }.joined()
        }
        #expect(line("ready") == "out ready ready 0 0  ")
        #expect(line("retried") == "out retried ready 1 0  HTTP 500")
        #expect(line("delayed") == "out delayed delayed 1 9000  HTTP 503")
        #expect(line("parked") == "out parked parked 0 8000  refused", "its lane's time and reason")
        #expect(line("lane") == "out parked parked 0 8000  reset", "its own reason goes first")
        #expect(line("done") == "out done done 0 0  ")
        #expect(line("dead") == "out dead dead 1 0 gone no such user")
        #expect(line("discarded") == "out discarded discarded 1 0 gone no such user")
        #expect(line("stage") == "stage  ready 0 0  ")
    }

    @Test("Its items come in pages")
    func pages() async throws {
        let (store, notice, _) = try await spread()
        let sizes = try await store.fetch { reader in
            var sizes: [Int] = []
            var last: Int64 = 0
            repeat {
                let page = try reader.items(ofNotice: notice, after: last, limit: 4)
                sizes.append(page.count)
                last = page.last?.id ?? 0
            } while last > 0
            return sizes
        }
        #expect(sizes == [4, 4, 1, 0])
    }

    @Test("Deleting a notice buries what waits of it, and leaves what has ended and other sites' alone")
    func drop() async throws {
        let (store, notice, ids) = try await spread()
        let dropped = try await store.commit { try $0.dropNotice(site: "alice", uri: "tag:7", nowMs: 7000) }
        let expected = ["ready", "retried", "delayed", "parked", "lane", "stage"].compactMap { ids[$0] }
        #expect(Set(dropped.map(\.id)) == Set(expected) && dropped.count == 6)
        let again = try await fixture.reopen(store)
        let letter = try await again.fetch { try $0.dead(id: expected[0]) }
        #expect(letter?.reason == "dropped" && letter?.item.dueMs == 7000)
        let counts = try await again.fetch { try $0.counts(ofNotice: notice) }
        #expect(counts == NoticeCounts(delivered: 1, waiting: 0, retrying: 0, dead: 7))
        let ready = try await again.fetch { try $0.allReady().map(\.text) }
        #expect(ready == ["of bob"])
        let twice = try await again.commit { try $0.dropNotice(site: "alice", uri: "tag:7", nowMs: 8000) }
        #expect(twice.isEmpty)
    }

    @Test("Deleting a notice that nobody knows, or of another site, does nothing")
    func dropUnknown() async throws {
        let (store, _, _) = try await spread()
        let dropped = try await store.commit { transaction in
            try transaction.dropNotice(site: "alice", uri: "tag:unknown", nowMs: 1)
                + transaction.dropNotice(site: "carol", uri: "tag:7", nowMs: 1)
        }
        #expect(dropped.isEmpty)
    }
}
