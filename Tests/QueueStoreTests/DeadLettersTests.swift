// SPDX-License-Identifier: Apache-2.0
import QueueCore
import TestSupport
import Testing

@testable import QueueStore

@Suite struct DeadLettersTests {
    private let fixture: StoreFixture

    init() throws { fixture = try StoreFixture() }

    /// Six dead letters `0` to `5` that died at 1000, 2000 and so on, an item that waits, one that was discarded.
    private func graveyard() async throws -> (store: QueueStore, ids: [Int64]) {
        let store = try fixture.open()
        let ids = try await store.commit { transaction in
            let news: [(Incoming, DeadReason)] = [
                (.to("a", "0"), .maxRetries), (.to("b", "1"), .rejected), (.to("a", "2", site: "bob"), .maxRetries),
                (.make("3", queue: "other"), .badFrame), (.to("a", "4"), .expired), (.to("c", "5"), .maxRetries),
            ]
            var ids: [Int64] = []
            for (index, new) in news.enumerated() {
                let id = try transaction.add(new.0).id
                try transaction.bury(
                    id,
                    reason: new.1,
                    text: "why \(index)",
                    counts: Counts(attempts: 4, kills: 2, maybe: 1),
                    isKept: true,
                    nowMs: Int64(index + 1) * 1000
                )
                ids.append(id)
            }
            try transaction.add(.to("a", "waits"))
            let discarded = try transaction.add(.to("a", "discarded")).id
            try transaction.bury(discarded, reason: .gone, text: "", counts: Counts(), isKept: false, nowMs: 1)
            return ids
        }
        return (store, ids)
    }

    private static func filter(_ change: (inout DeadFilter) -> Void) -> DeadFilter {
        var filter = DeadFilter()
        change(&filter)
        return filter
    }

    @Test("A dead letter shows all that is known of it, after a restart too")
    func shown() async throws {
        let (store, ids) = try await graveyard()
        let again = try await fixture.reopen(store)
        let found = try await again.fetch { try $0.dead(id: ids[2]) }
        let letter = try #require(found)
        #expect(letter.site == "bob" && letter.queue == "out" && letter.reason == "max-retries")
        #expect(letter.text == "why 2" && letter.item.text == "2" && letter.item.target == "a")
        #expect(letter.item.attempts == 4 && letter.item.kills == 2 && letter.item.maybe == 1)
        #expect(letter.item.dueMs == 3000 && letter.item.state == .dead)
        let none = try await again.fetch { try $0.dead(id: 12_345) }
        #expect(none?.item.id == nil)
        let waiting = try await again.fetch { try $0.dead(id: ids[5] + 1) }
        #expect(waiting?.item.id == nil, "an item that waits is no dead letter")
    }

    struct Search: Sendable, CustomTestStringConvertible {
        var name: String
        var filter: DeadFilter
        var found: [String]

        var testDescription: String { name }
    }

    static let searches = [
        Search(name: "all", filter: DeadFilter(), found: ["0", "1", "2", "3", "4", "5"]),
        Search(name: "site", filter: filter { $0.site = "bob" }, found: ["2"]),
        Search(name: "unknown site", filter: filter { $0.site = "nobody" }, found: []),
        Search(name: "queue", filter: filter { $0.queue = "other" }, found: ["3"]),
        Search(name: "target", filter: filter { $0.target = "a" }, found: ["0", "2", "4"]),
        Search(name: "reason", filter: filter { $0.reason = .maxRetries }, found: ["0", "2", "5"]),
        Search(name: "age", filter: filter { $0.diedBefore = 2000 }, found: ["0", "1"]),
        Search(name: "young", filter: filter { $0.diedAfter = 5000 }, found: ["4", "5"]),
        Search(name: "a site's queue", filter: filter { ($0.site, $0.queue) = ("bob", "out") }, found: ["2"]),
        Search(name: "hostile text", filter: filter { $0.target = "' OR 1 = 1 --" }, found: []),
        Search(
            name: "all of them",
            filter: filter { filter in
                filter.site = "alice"
                filter.queue = "out"
                filter.target = "a"
                filter.reason = .expired
                filter.diedBefore = 5000
                filter.diedAfter = 5000
            },
            found: ["4"]
        ),
    ]

    @Test("Conditions hold together, and numbers, names and texts find what they say", arguments: searches)
    func search(_ search: Search) async throws {
        let (store, _) = try await graveyard()
        let letters = try await store.fetch { try $0.dead(search.filter, after: 0, limit: 100, .whole).letters }
        #expect(letters.map(\.item.text) == search.found)
    }

    @Test("Ids find their dead letters, whatever other items have such ids")
    func searchIDs() async throws {
        let (store, ids) = try await graveyard()
        let letters = try await store.fetch { reader in
            try reader.dead(Self.filter { $0.ids = [ids[4], ids[1], 999, ids[5] + 1] }, after: 0, limit: 100).letters
        }
        #expect(letters.map(\.item.id) == [ids[1], ids[4]])
    }

    @Test("They come in pages, in order of id")
    func pages() async throws {
        let (store, ids) = try await graveyard()
        let pages = try await store.fetch { reader in
            let first = try reader.dead(DeadFilter(), after: 0, limit: 4)
            return [first, try reader.dead(DeadFilter(), after: first.next ?? 0, limit: 4)]
        }
        #expect(pages.map { $0.letters.map(\.item.id) } == [Array(ids.prefix(4)), Array(ids.suffix(2))])
        #expect(pages.map(\.next) == [ids[3], nil])
    }

    @Test("A rare target among many letters is found, in pages that each look at so many")
    func rareTarget() async throws {
        let store = try fixture.open()
        let last = try await store.commit { transaction in
            var last: Int64 = 0
            for number in 0..<21_000 {
                let target = number == 20_500 ? "rare" : "common"
                last = try transaction.add(
                    .make("x") { item in
                        item.target = target
                        item.dead = (.gone, "")
                    }
                ).id
            }
            return last
        }
        var filter = DeadFilter()
        filter.target = "rare"
        var pages: [DeadPage] = []
        var after: Int64? = 0
        while let place = after {
            let search = filter
            pages.append(try await store.fetch { try $0.dead(search, after: place, limit: 1000) })
            after = pages.last?.next
        }
        #expect(pages.map(\.letters.count) == [0, 0, 1])
        #expect(try await store.fetch { try $0.lastDead() } == last)
        filter.lastID = last - 1000
        let bounded = filter
        let found = try await store.fetch { try $0.dead(bounded, after: 20_000, limit: 1000) }
        #expect(found.letters.isEmpty && found.next == nil, "what died later isn't looked at")
    }

    @Test("Any number of ids can be named, and big frames make short pages")
    func manyIDs() async throws {
        let store = try fixture.open()
        let ids = try await store.commit { transaction in
            try (0..<1200).map { number in
                let frame = number < 12 ? String(repeating: "x", count: 1 << 20) : "x"
                return try transaction.add(.make(frame) { $0.dead = (.gone, "") }).id
            }
        }
        var sizes: [Int] = []
        var after: Int64? = 0
        while let place = after {
            let page = try await store.fetch { reader in
                try reader.dead(Self.filter { $0.ids = ids.reversed() + [99_999] }, after: place, limit: 1000, .whole)
            }
            sizes.append(page.letters.count)
            after = page.next
        }
        #expect(sizes.reduce(0, +) == ids.count)
        #expect(sizes.first == 4)
    }

    @Test("Whoever watches hears of each letter that died or is gone, in order, and of none that was undone")
    func watched() async throws {
        let (store, ids) = try await graveyard()
        let changes = EventLog<DeadChange>()
        store.watchDeadLetters { changes.append(contentsOf: $0) }
        try? await store.commit { transaction in
            _ = try transaction.drop(DeadFilter(), after: 0, limit: 2)
            throw TestSupportError.missing("the rest")
        }
        let new = try await store.commit { try $0.add(.make { $0.dead = (.badFrame, "no") }).id }
        let kept = try await store.commit { transaction in
            let kept = try transaction.add(.make()).id
            let unkept = try transaction.add(.make()).id
            try transaction.bury(kept, reason: .gone, text: "", counts: Counts(), isKept: true, nowMs: 1)
            try transaction.bury(unkept, reason: .gone, text: "", counts: Counts(), isKept: false, nowMs: 1)
            return kept
        }
        try await store.commit { transaction in
            _ = try transaction.drop(Self.filter { $0.ids = [ids[2]] }, after: 0, limit: 9)
            _ = try transaction.requeue(Self.filter { $0.ids = [ids[0], ids[1]] }, after: 0, limit: 9, nowMs: 1) {
                $0.item.id == ids[0]
                    ? .ready(queue: "else", site: "where", expiresMs: 0) : .dead(.unknownSite, text: "still")
            }
        }
        let seen = try await changes.first(5)
        #expect(
            seen == [
                .died(new), .died(kept), .gone(ids[2], site: "bob", queue: "out"),
                .gone(ids[0], site: "alice", queue: "out"), .died(ids[1]),
            ]
        )
    }

    @Test("Requeued letters wait again in their old order, with counts, age and expiry new")
    func requeue() async throws {
        let (store, ids) = try await graveyard()
        let result = try await store.commit { transaction in
            try transaction.requeue(Self.filter { $0.site = "alice" }, after: 0, limit: 100, nowMs: 50_000) { letter in
                .ready(queue: letter.queue, site: letter.site, expiresMs: letter.queue == "other" ? 0 : 60_000)
            }
        }
        #expect(result.items.map(\.text) == ["0", "1", "3", "4", "5"])
        #expect(result.next == nil && ids.count == 6)
        let again = try await fixture.reopen(store)
        let ready = try await again.fetch { try $0.allReady() }
        #expect(ready.map(\.text) == ["waits", "0", "1", "4", "5", "3"], "out before other, behind what waited")
        for item in ready where item.text != "waits" {
            #expect(item.attempts == 0 && item.kills == 0 && item.maybe == 0 && !item.rank.isRetry)
            #expect(item.enqueuedMs == 50_000 && item.expiresMs == (item.text == "3" ? 0 : 60_000))
            #expect(item.dueMs == 0)
        }
        let told = result.items.map(\.seq)
        #expect(told == told.sorted() && result.items.allSatisfy { $0.state == .ready && $0.dueMs == 0 })
        let left = try await again.fetch {
            try $0.dead(DeadFilter(), after: 0, limit: 100, .whole).letters.map(\.item.text)
        }
        #expect(left == ["2"])
    }

    @Test("Requeueing goes page by page to an end")
    func requeuePages() async throws {
        let (store, ids) = try await graveyard()
        var after: Int64? = 0
        var sizes: [Int] = []
        while let place = after {
            let page = try await store.commit { transaction in
                try transaction.requeue(DeadFilter(), after: place, limit: 4, nowMs: 50_000) {
                    .ready(queue: $0.queue, site: $0.site, expiresMs: 0)
                }
            }
            sizes.append(page.items.count)
            after = page.next
        }
        #expect(sizes == [4, 2] && ids.count == 6)
        #expect(try fixture.number("SELECT count(*) FROM item WHERE state = 4") == 0)
    }

    @Test("A letter for a lane that is shut is parked there rather than ready")
    func requeueParked() async throws {
        let (store, ids) = try await graveyard()
        let result = try await store.commit { transaction in
            let item = try transaction.add(.to("c"))
            try transaction.shut(item)
            return try transaction.requeue(Self.filter { $0.site = "alice" }, after: 0, limit: 9, nowMs: 1) {
                .ready(queue: $0.queue, site: $0.site, expiresMs: 0)
            }
        }
        let states = Dictionary(uniqueKeysWithValues: result.items.map { ($0.id, $0.state) })
        #expect(states[ids[5]] == .parked && states[ids[0]] == .ready)
        #expect(try fixture.number("SELECT id FROM item WHERE state = 2") == ids[5])
    }

    @Test("Dropped letters are gone for good, their shared body too")
    func drop() async throws {
        let (store, ids) = try await graveyard()
        try await store.commit { transaction in
            let id = try transaction.add(.make { $0.shared = [1] }).id
            try transaction.bury(id, reason: .expired, text: "", counts: Counts(), isKept: true, nowMs: 9000)
        }
        let first = try await store.commit { try $0.drop(Self.filter { $0.target = "a" }, after: 0, limit: 2) }
        #expect(first.count == 2 && first.next == ids[2])
        let rest = try await store.commit { try $0.drop(DeadFilter(), after: ids[2], limit: 100) }
        #expect(rest.count == 4 && rest.next == nil)
        let again = try await fixture.reopen(store)
        let left = try await again.fetch {
            try $0.dead(DeadFilter(), after: 0, limit: 100, .whole).letters.map(\.item.text)
        }
        #expect(left == ["1"])
        #expect(try fixture.number("SELECT count(*) FROM body") == 0)
        #expect(try fixture.number("SELECT count(*) FROM item") == 3)
    }
}
