// SPDX-License-Identifier: Apache-2.0
import QueueCore
import TestSupport
import Testing

@testable import QueueStore

@Suite struct HistoryTests {
    private let fixture: StoreFixture

    init() throws { fixture = try StoreFixture() }

    /// Forgets page by page to the end; returns how many went.
    private func forgetAll(_ store: QueueStore, before: Int64, limit: Int) async throws -> Int {
        var place: Int64? = 0
        var removed = 0
        while let after = place {
            let page = try await store.commit { try $0.forget(before: before, after: after, limit: limit) }
            #expect(page.removed <= limit)
            removed += page.removed
            place = page.next
        }
        place = 0
        while let after = place {
            place = try await store.commit { try $0.forgetNotices(before: before, after: after, limit: limit) }
        }
        return removed
    }

    @Test("A pass ends where all came in later than the time, and not at what was requeued since")
    func bounded() async throws {
        let store = try fixture.open()
        try await store.commit { transaction in
            func done(_ enqueuedMs: Int64) throws {
                try transaction.finish(
                    try transaction.add(.make { $0.enqueuedMs = enqueuedMs }).id,
                    nowMs: enqueuedMs + 10
                )
            }
            for _ in 0..<25 {
                let id = try transaction.add(.make { $0.enqueuedMs = 1000 }).id
                try transaction.bury(id, reason: .gone, text: "", counts: Counts(), isKept: true, nowMs: 1000)
            }
            try done(2000)
            for _ in 0..<100 { try done(9000) }
            _ = try transaction.requeue(DeadFilter(), after: 0, limit: 100, nowMs: 9000) { letter in
                .ready(queue: letter.queue, site: letter.site, expiresMs: 0)
            }
        }
        var (place, steps, removed): (Int64?, Int, Int) = (0, 0, 0)
        while let after = place {
            let page = try await store.commit { try $0.forget(before: 5000, after: after, limit: 1) }
            (place, removed, steps) = (page.next, removed + page.removed, steps + 1)
        }
        // 25 requeued rows and the old one, ten at a time, and ten younger ones.
        #expect(removed == 1 && steps == 4)
    }

    @Test(
        "What was delivered or discarded before the time goes; younger, dead and waiting items stay",
        arguments: [1, 2, 500]
    )
    func forget(limit: Int) async throws {
        let store = try fixture.open()
        try await store.commit { transaction in
            func bury(_ id: Int64, isKept: Bool) throws {
                try transaction.bury(id, reason: .gone, text: "", counts: Counts(), isKept: isKept, nowMs: 1000)
            }
            for round in 0..<5 {
                try transaction.finish(try transaction.add(.make("old done \(round)")).id, nowMs: 4999)
                try transaction.finish(try transaction.add(.make("done")).id, nowMs: 5000)
                try bury(try transaction.add(.make("old discarded")).id, isKept: false)
                try bury(try transaction.add(.make("old dead")).id, isKept: true)
                try transaction.add(.make("ready"))
                try transaction.add(.make("delayed") { $0.dueMs = 2000 })
                let parked = try transaction.add(.to("t", "parked"))
                try transaction.shut(parked)
                try transaction.park(parked.id, rank: parked.rank, counts: Counts(), text: "")
            }
        }
        let removed = try await forgetAll(store, before: 5000, limit: limit)
        #expect(removed == 10)
        _ = try await fixture.reopen(store)
        let left = try fixture.number("SELECT count(*) FROM item")
        #expect(left == 25)
        #expect(
            try fixture.number("SELECT count(*) FROM item WHERE CAST(payload AS TEXT) LIKE 'old d%' AND state <> 4")
                == 0
        )
    }

    @Test("What has a dedupe key stays for as long as that counts")
    func keyed() async throws {
        let store = try fixture.open()
        try await store.commit { transaction in
            for (key, end) in [("", 1000), ("old", 2000), ("young", 4000), ("", 6000)] as [(String, Int64)] {
                try transaction.finish(try transaction.add(.make(key) { $0.dedupeKey = key }).id, nowMs: end)
            }
        }
        let page = try await store.commit { try $0.forget(before: 5000, keyedBefore: 3000, after: 0, limit: 10) }
        #expect(page.removed == 2)
        #expect(try await store.commit { try $0.duplicate(.make { $0.dedupeKey = "young" }) } != nil)
        #expect(try await store.commit { try $0.duplicate(.make { $0.dedupeKey = "old" }) } == nil)
    }

    @Test("Shared bodies go with the last item of history, notices with theirs")
    func forgetWhatBelongs() async throws {
        let store = try fixture.open()
        let kept = try await store.commit { transaction in
            let notices = try ["1", "2", "3"].map { number in
                try transaction.notice(site: "alice", number: number, uri: "tag:\(number)", nowMs: 1000)
            }
            for (index, notice) in notices.prefix(2).enumerated() {
                for target in ["a", "b"] {
                    let item = try transaction.add(
                        .make { item in
                            item.target = target
                            item.notice = notice
                            item.shared = [UInt8(index)]
                        }
                    )
                    // Of the second notice one item is younger.
                    try transaction.finish(item.id, nowMs: index == 1 && target == "b" ? 9000 : 2000)
                }
            }
            return notices[1]
        }
        let young = try await store.commit { try $0.notice(site: "alice", number: "4", uri: "tag:4", nowMs: 6000) }
        let removed = try await forgetAll(store, before: 5000, limit: 500)
        #expect(removed == 3)
        let again = try await fixture.reopen(store)
        #expect(try fixture.number("SELECT count(*) FROM body") == 1)
        #expect(try fixture.number("SELECT refs FROM body") == 1)
        let found = try await again.fetch { reader in
            try ["1", "2", "3", "4"].flatMap { try reader.notices($0, site: nil) }.map(\.id)
        }
        #expect(found == [kept, young])
    }

    @Test("Waiting and dead items are counted by queue and site; what was delivered isn't")
    func stateCounts() async throws {
        let store = try fixture.open()
        try await store.commit { transaction in
            for _ in 0..<3 { try transaction.add(.make()) }
            try transaction.add(.make(site: "bob"))
            try transaction.add(.make { $0.dueMs = 9000 })
            try transaction.add(.make(queue: "other") { $0.dueMs = 8000 })
            let parked = try transaction.add(.to("t"))
            try transaction.shut(parked)
            try transaction.park(parked.id, rank: parked.rank, counts: Counts(), text: "")
            for (isKept, count) in [(true, 2), (false, 3)] {
                for _ in 0..<count {
                    let id = try transaction.add(.make()).id
                    try transaction.bury(id, reason: .gone, text: "", counts: Counts(), isKept: isKept, nowMs: 1)
                }
            }
            try transaction.finish(try transaction.add(.make()).id, nowMs: 1)
        }
        let again = try await fixture.reopen(store)
        let (counts, names) = try await again.fetch { (try $0.stateCounts(), try $0.names()) }
        let found = counts.map { "\(names[$0.queue] ?? "") \(names[$0.site] ?? "") \($0.state) \($0.count)" }
        #expect(
            Set(found) == [
                "out alice ready 3", "out bob ready 1", "out alice delayed 1", "other alice delayed 1",
                "out alice parked 1", "out alice dead 2",
            ]
        )
        #expect(found.count == 6)
    }
}
