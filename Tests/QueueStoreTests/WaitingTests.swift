// SPDX-License-Identifier: Apache-2.0
import QueueCore
import TestSupport
import Testing

@testable import QueueStore

/// Items that wait: ready in pages, delayed until they are due, parked in order of enqueue.
@Suite struct WaitingTests {
    private let fixture: StoreFixture

    init() throws { fixture = try StoreFixture() }

    private static func late(_ text: String, _ due: Int64) -> Incoming { .make(text) { $0.dueMs = due } }

    @Test("Each queue, site and rank that has ready items is found, in order, however many items it has")
    func sources() async throws {
        let store = try fixture.open()
        try await store.commit { transaction in
            for _ in 0..<50 { try transaction.add(.make()) }
            try transaction.add(.make(site: "bob"))
            try transaction.add(.make { $0.priority = 9 })
            try transaction.add(.make(queue: "other"))
            try transaction.add(.make(queue: "late") { $0.dueMs = 9000 })
            try transaction.finish(try transaction.add(.make(queue: "done")).id, nowMs: 1)
        }
        let again = try await fixture.reopen(store)
        let (sources, names) = try await again.fetch { (try $0.readySources(), try $0.names()) }
        let found = sources.map { "\(names[$0.queue] ?? "?") \(names[$0.site] ?? "?") \($0.rank.priority)" }
        #expect(found == ["out alice 9", "out alice 4", "out bob 4", "other alice 4"])
    }

    @Test("An empty store has no source, no due item and no lane")
    func nothing() async throws {
        let store = try fixture.open()
        let sources = try await store.fetch { try $0.readySources() }
        let times = try await store.fetch { [try $0.nextDue(), try $0.nextLane()] }
        let counts = try await store.fetch { try $0.stateCounts() }
        #expect(sources.isEmpty && times == [nil, nil] && counts.isEmpty)
    }

    @Test("Ready items come in pages, in order, each once")
    func readyPages() async throws {
        let store = try fixture.open()
        try await store.commit { transaction in
            for index in 0..<10 { try transaction.add(.make("\(index)")) }
        }
        let pages = try await store.fetch { reader in
            let source = try #require(try reader.readySources().first)
            var pages: [[String]] = []
            var last: Int64 = 0
            while true {
                let page = try reader.ready(source, after: last, limit: 4)
                guard let end = page.last else { return pages }
                pages.append(page.map(\.text))
                last = end.seq
            }
        }
        #expect(pages == [["0", "1", "2", "3"], ["4", "5", "6", "7"], ["8", "9"]])
    }

    @Test("An item is delayed where its time is to come, and ready where it has come")
    func delayed() async throws {
        let store = try fixture.open()
        let items = try await store.commit { transaction in
            try [0, 999, 1000, 1001].map { try transaction.add(Self.late("", $0)) }
        }
        #expect(items.map(\.state) == [.ready, .ready, .ready, .delayed])
        #expect(items.map(\.dueMs) == [0, 0, 0, 1001])
        let again = try await fixture.reopen(store)
        let found = try await again.fetch { try $0.nextDue() }
        #expect(found == 1001)
    }

    @Test("What is due becomes ready, oldest first, at the end of the order; the next time is told")
    func promote() async throws {
        let store = try fixture.open()
        try await store.commit { transaction in
            for (text, due) in [("a", Int64(3000)), ("b", 2000), ("c", 2000), ("d", 9000)] {
                try transaction.add(Self.late(text, due))
            }
            try transaction.add(.make("fresh"))
        }
        let early = try await store.commit { try $0.promoteDue(nowMs: 1999, limit: 10) }
        #expect(early.items.isEmpty && early.next == 2000)
        let first = try await store.commit { try $0.promoteDue(nowMs: 3000, limit: 2) }
        #expect(first.items.map(\.text) == ["b", "c"] && first.next == 3000)
        #expect(first.items.allSatisfy { $0.state == .ready })
        let again = try await fixture.reopen(store)
        let second = try await again.commit { try $0.promoteDue(nowMs: 3000, limit: 2) }
        #expect(second.items.map(\.text) == ["a"] && second.next == 9000)
        let ready = try await again.fetch { try $0.allReady() }
        #expect(ready.map(\.text) == ["fresh", "b", "c", "a"])
        #expect(ready.map(\.seq) == ready.map(\.seq).sorted())
        let last = try await again.commit { try $0.promoteDue(nowMs: 9000, limit: 2) }
        #expect(last.items.map(\.text) == ["d"] && last.next == nil)
    }

    @Test("A promoted item has all of itself, its shared body included")
    func promotedWhole() async throws {
        let store = try fixture.open()
        try await store.commit { transaction in
            try transaction.add(
                .make("x") { item in
                    item.dueMs = 2000
                    item.shared = [7]
                    item.target = "t"
                }
            )
        }
        let promoted = try await store.commit { try $0.promoteDue(nowMs: 2000, limit: 1) }.items.first
        let item = try #require(promoted)
        #expect(item.text == "x" && item.target == "t")
        #expect(item.body?.bytes == [7])
    }

    @Test("Items of a saved lane are parked, in order of enqueue; those of others aren't")
    func parked() async throws {
        let store = try fixture.open()
        let first = try await store.commit { transaction in
            let first = try transaction.add(.to("down", "0"))
            try transaction.shut(first)
            for index in 1...5 { try transaction.add(.to("down", "\(index)")) }
            try transaction.add(.to("up", "free"))
            try transaction.add(.to("down", "of bob", site: "bob"))
            try transaction.add(.make("late") { ($0.target, $0.dueMs) = ("down", 9000) })
            return first
        }
        let again = try await fixture.reopen(store)
        let lane = try #require(first.lane)
        let pages = try await again.fetch { reader in
            let page = try reader.parked(lane, after: 0, limit: 3)
            return [page, try reader.parked(lane, after: page.last?.id ?? 0, limit: 3)]
        }
        #expect(pages.map { $0.map(\.text) } == [["1", "2", "3"], ["4", "5"]])
        #expect(pages.joined().allSatisfy { $0.state == .parked })
        let ready = try await again.fetch { try $0.allReady().map(\.text) }
        #expect(ready == ["0", "free", "of bob"])
        let next = try await again.commit { try $0.add(.to("down", "6")).state }
        #expect(next == .parked, "the lane is known after a restart")
    }

    @Test("An item that can't be delivered at all is a dead letter from the start")
    func deadOnArrival() async throws {
        let store = try fixture.open()
        let item = try await store.commit { transaction in
            try transaction.add(.make("x", site: "nobody") { $0.dead = (reason: .unknownSite, text: "no such site") })
        }
        #expect(item.state == .dead && item.dueMs == 1000)
        let again = try await fixture.reopen(store)
        let found = try await again.fetch { try $0.dead(id: item.id) }
        let letter = try #require(found)
        #expect(letter.reason == "unknown-site" && letter.text == "no such site" && letter.site == "nobody")
        let isNothingReady = try await again.fetch { try $0.allReady().isEmpty }
        #expect(isNothingReady)
    }

    @Test("Big delayed items come up a few at a time, and the next ones at once")
    func bigAndDue() async throws {
        let store = try fixture.open()
        try await store.commit { transaction in
            for _ in 0..<5 { try transaction.add(.make(String(repeating: "x", count: 1000)) { $0.dueMs = 2000 }) }
        }
        var sizes: [Int] = []
        var next: Int64? = 2000
        while let due = next, due <= 3000 {
            let page = try await store.commit { try $0.promoteDue(nowMs: 3000, limit: 100, maxBytes: 1500) }
            sizes.append(page.items.count)
            next = page.next
        }
        #expect(sizes == [2, 2, 1])
    }
}
