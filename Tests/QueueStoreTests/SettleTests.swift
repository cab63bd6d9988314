// SPDX-License-Identifier: Apache-2.0
import GRDB
import QueueCore
import TestSupport
import Testing

@testable import QueueStore

/// The end of a delivery, and moves of an item that waits; each looked at after a restart.
@Suite struct SettleTests {
    private let fixture: StoreFixture
    private static let counts = Counts(attempts: 3, kills: 1, maybe: 2)

    init() throws { fixture = try StoreFixture() }

    /// What becomes of an item by `work`, as the next start finds it.
    private func settled(
        _ new: Incoming = .to("t"),
        _ work: @escaping @Sendable (StoreTransaction, StoredItem) throws -> Void
    ) async throws -> StoredItem {
        let store = try fixture.open()
        let id = try await store.commit { transaction in
            let item = try transaction.add(new)
            try work(transaction, item)
            return item.id
        }
        let again = try await fixture.reopen(store)
        let item = try await again.fetch { try $0.item(id) }
        return try #require(item)
    }

    private func reason(_ id: Int64) throws -> [String?] {
        try fixture.look { database in
            try ["reason", "text"].map { column in
                try String.fetchOne(database, sql: "SELECT \(column) FROM item WHERE id = ?", arguments: [id])
            }
        }
    }

    @Test("A delivered item is kept for history, with when")
    func finish() async throws {
        let item = try await settled { try $0.finish($1.id, nowMs: 7000) }
        #expect(item.state == .done && item.dueMs == 7000)
        #expect(item.text == "frame" && item.target == "t")
    }

    @Test("A removed item is gone")
    func remove() async throws {
        let store = try fixture.open()
        try await store.commit { transaction in
            try transaction.remove(try transaction.add(.to("t")).id)
        }
        _ = try await fixture.reopen(store)
        #expect(try fixture.number("SELECT count(*) FROM item") == 0)
    }

    @Test("A delayed item waits until its time with its counts, rank and what went wrong")
    func delay() async throws {
        let item = try await settled { transaction, item in
            try transaction.delay(
                item.id,
                dueMs: 9000,
                rank: item.rank.retry,
                counts: Self.counts,
                text: "HTTP 503"
            )
        }
        #expect(item.state == .delayed && item.dueMs == 9000 && item.rank.isRetry && item.rank.priority == 4)
        #expect(Counts(attempts: item.attempts, kills: item.kills, maybe: item.maybe) == Self.counts)
        #expect(try reason(item.id) == [nil, "HTTP 503"])
    }

    @Test("A parked item waits in its lane with its counts and what went wrong")
    func park() async throws {
        let item = try await settled { transaction, item in
            try transaction.shut(item)
            try transaction.park(item.id, rank: item.rank.retry, counts: Self.counts, text: "refused")
        }
        #expect(item.state == .parked && item.rank.isRetry)
        #expect(Counts(attempts: item.attempts, kills: item.kills, maybe: item.maybe) == Self.counts)
        #expect(try reason(item.id) == [nil, "refused"])
    }

    @Test("A buried item is a dead letter, or in history only, with why and when", arguments: [true, false])
    func bury(isKept: Bool) async throws {
        let item = try await settled { transaction, item in
            try transaction.bury(
                item.id,
                reason: .maxRetries,
                text: "gave up",
                counts: Self.counts,
                isKept: isKept,
                nowMs: 7000
            )
        }
        #expect(item.state == (isKept ? .dead : .discarded) && item.dueMs == 7000)
        #expect(Counts(attempts: item.attempts, kills: item.kills, maybe: item.maybe) == Self.counts)
        #expect(try reason(item.id) == ["max-retries", "gave up"])
        #expect(try fixture.number("SELECT count(*) FROM item WHERE state = 4") == (isKept ? 1 : 0))
    }

    @Test("An item that goes on does so at its cursor, at the end of the order, with no attempt used up")
    func advance() async throws {
        let store = try fixture.open()
        let (first, seq) = try await store.commit { transaction in
            let first = try transaction.add(.make("chunks"))
            try transaction.add(.make("other"))
            try transaction.delay(first.id, dueMs: 0, rank: first.rank, counts: Self.counts, text: "once")
            _ = try transaction.promoteDue(nowMs: 1, limit: 1)
            return (first, try transaction.advance(first.id, cursor: [1, 0, 2], rank: first.rank))
        }
        let again = try await fixture.reopen(store)
        let items = try await again.fetch { try $0.allReady() }
        #expect(items.map(\.text) == ["other", "chunks"])
        let item = try #require(items.last)
        #expect(item.cursor == [1, 0, 2])
        #expect(item.seq == seq && item.attempts == 0 && item.kills == 1 && item.maybe == 2)
        #expect(try reason(first.id) == [nil, nil])
        let moved = try await again.commit { transaction in
            try transaction.advance(first.id, cursor: [3], rank: first.rank.bulk)
        }
        let bulk = try await again.fetch { try $0.item(first.id) }
        #expect(bulk?.rank == first.rank.bulk && bulk?.seq == moved && moved > seq)
    }

    @Test("A parked item that goes on is ready again, and not in its lane's pages")
    func advanceParked() async throws {
        let store = try fixture.open()
        let item = try await store.commit { transaction in
            let item = try transaction.add(.to("t"))
            try transaction.shut(item)
            try transaction.park(item.id, rank: item.rank, counts: Counts(), text: "")
            _ = try transaction.advance(item.id, cursor: [1], rank: item.rank)
            return item
        }
        let lane = try #require(item.lane)
        let again = try await fixture.reopen(store)
        let (ready, parked) = try await again.fetch { reader in
            (try reader.allReady().map(\.id), try reader.parked(lane, after: 0, limit: 10).map(\.id))
        }
        #expect(ready == [item.id] && parked.isEmpty)
    }

    @Test("An item that was dropped while it was worked on isn't brought back by its next chunk")
    func advanceBuried() async throws {
        let item = try await settled { transaction, item in
            try transaction.bury(
                item.id,
                reason: .dropped,
                text: "deleted",
                counts: Counts(),
                isKept: true,
                nowMs: 7000
            )
            _ = try transaction.advance(item.id, cursor: [1], rank: item.rank)
        }
        #expect(item.state == .dead)
        #expect(try reason(item.id) == ["dropped", "deleted"])
    }

    @Test("What was dropped while it was being delivered, and is delivered, is no dead letter any more")
    func deliveredAfterDrop() async throws {
        let store = try fixture.open()
        let changes = EventLog<DeadChange>()
        store.watchDeadLetters { changes.append(contentsOf: $0) }
        let id = try await store.commit { transaction in
            let notice = try transaction.notice(site: "alice", number: "1", uri: "tag:1", nowMs: 1000)
            return try transaction.add(.make { $0.notice = notice }).id
        }
        try await store.commit { _ = try $0.dropNotice(site: "alice", uri: "tag:1", nowMs: 2000) }
        // A handler's own word for the end doesn't change that it was dropped.
        try await store.commit { transaction in
            try transaction.bury(id, reason: .rejected, text: "", counts: Counts(), isKept: false, nowMs: 3000)
        }
        #expect(try reason(id) == ["dropped", "the notice was deleted"])
        try await store.commit { try $0.finish(id, nowMs: 4000) }
        #expect(try await changes.first(2) == [.died(id), .gone(id, site: "alice", queue: "out")])
        #expect(try await store.fetch { try $0.item(id)?.state } == .done)
        #expect(try reason(id) == [nil, nil])
        #expect(try fixture.number("SELECT due FROM item") == 4000)
    }

    @Test("Settling an item that isn't there changes nothing")
    func unknownItem() async throws {
        let store = try fixture.open()
        let kept = try await store.commit { transaction in
            let kept = try transaction.add(.make())
            let rank = kept.rank
            try transaction.finish(999, nowMs: 1)
            try transaction.remove(999)
            try transaction.delay(999, dueMs: 1, rank: rank, counts: Counts(), text: "")
            try transaction.park(999, rank: rank, counts: Counts(), text: "")
            try transaction.bury(999, reason: .gone, text: "", counts: Counts(), isKept: true, nowMs: 1)
            _ = try transaction.advance(999, cursor: [1], rank: rank)
            return kept.id
        }
        #expect(try fixture.number("SELECT count(*) FROM item") == 1)
        #expect(try fixture.number("SELECT id FROM item WHERE state = 0 AND cursor IS NULL") == kept)
    }

    @Test("Settling twice is settling once: a batch may be written again")
    func twice() async throws {
        let store = try fixture.open()
        let new = Incoming.make { $0.shared = [1] }
        let other = try await store.commit { transaction in
            let (removed, other) = (try transaction.add(new).id, try transaction.add(new).id)
            for _ in 0..<2 {
                try transaction.remove(removed)
                try transaction.finish(other, nowMs: 5000)
            }
            return other
        }
        let item = try await store.fetch { try $0.item(other) }
        #expect(item?.state == .done)
        #expect(item?.body?.bytes == [1])
        #expect(try fixture.number("SELECT refs FROM body") == 1)
    }
}
