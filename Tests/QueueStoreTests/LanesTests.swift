// SPDX-License-Identifier: Apache-2.0
import QueueCore
import TestSupport
import Testing

@testable import QueueStore

/// Lanes that aren't in their default state: what the store knows of them, and when it brings them up.
@Suite struct LanesTests {
    private let fixture: StoreFixture

    init() throws { fixture = try StoreFixture() }

    private static func lane(
        _ key: String,
        next: Int64,
        state: StoredLane.State = .open,
        reason: String = "down"
    ) -> StoredLane {
        StoredLane(
            hash: LaneHash(site: 1, queue: 2, key: key),
            queue: 2,
            site: 1,
            key: key,
            state: state,
            nextAttemptMs: next,
            openings: 3,
            reason: reason
        )
    }

    /// A store with these lanes.
    private func store(_ lanes: [StoredLane]) async throws -> QueueStore {
        let store = try fixture.open()
        try await store.commit { transaction in
            for lane in lanes { try transaction.save(lane: lane) }
        }
        return store
    }

    @Test("A lane is listed as it was saved last, once, after a restart too")
    func saved() async throws {
        let store = try await store([Self.lane("a", next: 5000), Self.lane("b", next: 4000, reason: "")])
        var changed = Self.lane("a", next: 7000, reason: "still down")
        changed.openings = 4
        let last = changed
        let count = try await store.commit { transaction in
            try transaction.save(lane: last)
            return transaction.laneCount
        }
        #expect(count == 2)
        let again = try await fixture.reopen(store)
        let lanes = try await again.fetch { try $0.lanes(limit: 10).map { $0.lane } }
        #expect(lanes == [Self.lane("b", next: 4000, reason: ""), last])
        let figures = try await again.fetch { [try $0.laneCounts()[.open], try $0.nextLane()] }
        #expect(figures == [2, 4000])
        let counted = try await again.commit { $0.laneCount }
        #expect(counted == 2)
    }

    @Test("The list shows open lanes only, the soonest first, with how many items wait there")
    func list() async throws {
        let store = try fixture.open()
        try await store.commit { transaction in
            let a = try transaction.add(.to("a"))
            let b = try transaction.add(.to("b"))
            let closed = try transaction.add(.to("closed"))
            try transaction.shut(a, next: 9000)
            try transaction.shut(b, next: 8000)
            try transaction.shut(closed, next: 7000, state: .closed)
            for _ in 0..<3 { try transaction.add(.to("a")) }
            try transaction.add(.to("closed"))
        }
        let found = try await store.fetch { reader in
            try reader.lanes(limit: 10).map { "\($0.lane.key) \($0.waiting)" }
        }
        #expect(found == ["b 0", "a 3"])
        let first = try await store.fetch { try $0.lanes(limit: 1).map { $0.lane.key } }
        #expect(first == ["b"])
        let open = try await store.fetch { try $0.laneCounts()[.open] }
        #expect(open == 2)
    }

    @Test("A lane with parked items stays, without them it goes")
    func remove() async throws {
        let store = try fixture.open()
        let first = try await store.commit { transaction in
            let first = try transaction.add(.to("t"))
            try transaction.shut(first)
            return first
        }
        let hash = try #require(first.lane)
        let parked = try await store.commit { try $0.add(.to("t")) }
        #expect(parked.state == .parked)
        let kept = try await store.commit { (try $0.remove(lane: hash), $0.laneCount) }
        #expect(!kept.0 && kept.1 == 1)
        let removed = try await store.commit { transaction in
            try transaction.finish(parked.id, nowMs: 2000)
            return (try transaction.remove(lane: hash), transaction.laneCount)
        }
        #expect(removed.0 && removed.1 == 0)
        let twice = try await store.commit { (try $0.remove(lane: hash), $0.laneCount) }
        #expect(twice.0 && twice.1 == 0, "a lane that isn't there is as good as removed, and counts for nothing")
        let again = try await fixture.reopen(store)
        let state = try await again.commit { try $0.add(.to("t")).state }
        #expect(state == .ready)
    }

    @Test("Due lanes come up once, soonest first; a lease brings them up again where nobody looked after them")
    func due() async throws {
        let store = try await store(
            [Self.lane("c", next: 5000), Self.lane("b", next: 2000), Self.lane("a", next: 1000)])
        let first = try await store.commit { try $0.dueLanes(nowMs: 2000, limit: 10, leaseMs: 30_000) }
        #expect(first.lanes == [Self.lane("a", next: 1000), Self.lane("b", next: 2000)])
        #expect(first.next == 5000)
        let nobody = try await store.commit { try $0.dueLanes(nowMs: 4999, limit: 10, leaseMs: 30_000) }
        #expect(nobody.lanes.isEmpty && nobody.next == 5000)
        let again = try await fixture.reopen(store)
        let later = try await again.commit { try $0.dueLanes(nowMs: 32_000, limit: 10, leaseMs: 30_000) }
        #expect(Set(later.lanes.map(\.key)) == ["a", "b", "c"] && later.lanes.first?.key == "c")
        #expect(later.next == 62_000)
        let count = try await again.commit { $0.laneCount }
        #expect(count == 3)
    }

    @Test("More due lanes than asked for come at once again")
    func duePages() async throws {
        let store = try await store((0..<5).map { Self.lane("\($0)", next: Int64($0)) })
        var seen: [String] = []
        for expected in [Int64?(100), 100, 1100] {
            let (lanes, next) = try await store.commit { try $0.dueLanes(nowMs: 100, limit: 2, leaseMs: 1000) }
            seen += lanes.map(\.key)
            #expect(next == expected)
        }
        #expect(seen == ["0", "1", "2", "3", "4"])
    }

    @Test("After a restart a closed lane is due at once, for what is parked there; an open one when it was")
    func restart() async throws {
        let store = try await store([Self.lane("open", next: 9000), Self.lane("closed", next: 8000, state: .closed)])
        let again = try await fixture.reopen(store)
        let due = try await again.commit { try $0.dueLanes(nowMs: 1, limit: 10, leaseMs: 30_000) }
        #expect(due.lanes.map(\.key) == ["closed"] && due.next == 9000)
    }

    @Test("After a restart a lane whose hold was over is due at once, though leased; an open one when its lease ends")
    func leased() async throws {
        let store = try await store([Self.lane("open", next: 500), Self.lane("held", next: 500, state: .held)])
        let woken = try await store.commit { try $0.dueLanes(nowMs: 1000, limit: 10, leaseMs: 30_000).lanes }
        #expect(Set(woken.map(\.state)) == [.open, .held])
        let again = try await fixture.reopen(store)
        let due = try await again.commit { try $0.dueLanes(nowMs: 1001, limit: 10, leaseMs: 30_000) }
        #expect(due.lanes.map(\.key) == ["held"] && due.next == 31_000)
    }
}
