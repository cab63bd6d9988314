// SPDX-License-Identifier: Apache-2.0
import PluginABI
import QueueCore
import Testing
import TestSupport

@testable import PluginHost

/// What both places of the cache promise, in memory and in a real memcached.
@Suite struct CacheContractTests {
    enum Place: CaseIterable { case memory, memcached }

    private func make(_ place: Place) async throws -> AskedCache {
        guard place == .memcached else { return try await AskedCache { MemoryCache(loop: $0) } }
        let memcached = try await Memcached()
        let server = memcached.server
        return try await AskedCache(keeping: memcached) { MemcachedCache([server], loop: $0) }
    }

    private func set(_ value: String, ttl: UInt32 = 0, ifAbsent: Bool = false) -> CacheRequest {
        .set(Array(value.utf8), ttl: ttl, onlyIfAbsent: ifAbsent)
    }

    @Test("A value is set, got, replaced and removed", arguments: Place.allCases)
    func values(place: Place) async throws {
        let cache = try await make(place)
        #expect(try await cache.ask(.get, "k") == CacheAnswer(status: HOSTD_E_NOTFOUND))
        #expect(try await cache.ask(set("one"), "k") == CacheAnswer(status: HOSTD_OK))
        #expect(try await cache.ask(.get, "k") == CacheAnswer(status: HOSTD_OK, value: Array("one".utf8)))
        #expect(try await cache.ask(set("two"), "k").status == HOSTD_OK)
        #expect(try await cache.ask(.get, "k").value == Array("two".utf8))
        #expect(try await cache.ask(set(""), "k").status == HOSTD_OK)
        #expect(try await cache.ask(.get, "k") == CacheAnswer(status: HOSTD_OK))
        #expect(try await cache.ask(.remove, "k").status == HOSTD_OK)
        #expect(try await cache.ask(.remove, "k").status == HOSTD_E_NOTFOUND)
        #expect(try await cache.ask(.get, "k").status == HOSTD_E_NOTFOUND)
    }

    @Test("Bytes of every value come back as they were", arguments: Place.allCases)
    func bytes(place: Place) async throws {
        let cache = try await make(place)
        let big = [UInt8](repeating: 7, count: CacheRequest.maxValue)
        for value in [Array(0...255), [0x30, 0x20, 0x31], big] {
            #expect(try await cache.ask(.set(value, ttl: 0, onlyIfAbsent: false), "b").status == HOSTD_OK)
            #expect(try await cache.ask(.get, "b") == CacheAnswer(status: HOSTD_OK, value: value))
        }
    }

    @Test("Only the first of several adds succeeds", arguments: Place.allCases)
    func onlyIfAbsent(place: Place) async throws {
        let cache = try await make(place)
        let answers = try await cache.all((0..<20).map { set("\($0)", ifAbsent: true) }, "k")
        #expect(answers.map(\.status) == [HOSTD_OK] + Array(repeating: HOSTD_E_STALE, count: 19))
        #expect(try await cache.ask(.get, "k").value == Array("0".utf8))
    }

    @Test("A counter begins with its initial value, and never goes below 0", arguments: Place.allCases)
    func counters(place: Place) async throws {
        let cache = try await make(place)
        let up = CacheRequest.increment(by: 2, initial: 9, ttl: 0)
        #expect(try await cache.ask(up, "c") == CacheAnswer(status: HOSTD_OK, number: 9))
        #expect(try await cache.ask(up, "c").number == 11)
        #expect(try await cache.ask(.increment(by: -5, initial: 0, ttl: 0), "c").number == 6)
        // memcached leaves "6 " there.
        #expect(try await cache.ask(.get, "c").value == Array("6".utf8))
        #expect(try await cache.ask(.increment(by: -50, initial: 0, ttl: 0), "c").number == 0)
        #expect(try await cache.ask(.increment(by: -1, initial: 3, ttl: 0), "d").number == 3)
        #expect(try await cache.ask(set("41"), "e").status == HOSTD_OK)
        #expect(try await cache.ask(.increment(by: 1, initial: 0, ttl: 0), "e").number == 42)
        let big = CacheRequest.increment(by: 1, initial: .max, ttl: 0)
        #expect(try await cache.ask(big, "f").number == .max)
        #expect(try await cache.ask(big, "f").number == 0)
    }

    @Test("What is no number can't be counted, and stays; what follows works", arguments: Place.allCases)
    func notANumber(place: Place) async throws {
        let cache = try await make(place)
        _ = try await cache.ask(set("word"), "k")
        let up = CacheRequest.increment(by: 1, initial: 1, ttl: 0)
        #expect(try await cache.ask(up, "k") == CacheAnswer(status: HOSTD_E_INVAL))
        #expect(try await cache.ask(.get, "k").value == Array("word".utf8))
        #expect(try await cache.ask(up, "other").number == 1)
    }

    @Test("Values and counters end with their time to live", arguments: Place.allCases)
    func timeToLive(place: Place) async throws {
        let cache = try await make(place)
        _ = try await cache.ask(set("short", ttl: 1), "k")
        _ = try await cache.ask(set("month", ttl: 40 * 86_400), "long")
        _ = try await cache.ask(.increment(by: 1, initial: 1, ttl: 1), "c")
        try await eventually("both are gone") {
            let (value, counter) = (try await cache.ask(.get, "k").status, try await cache.ask(.get, "c").status)
            return value == HOSTD_E_NOTFOUND && counter == HOSTD_E_NOTFOUND
        }
        #expect(try await cache.ask(.get, "long").value == Array("month".utf8))
    }

    @Test("Answers come in the order of the requests, none is lost", arguments: Place.allCases)
    func order(place: Place) async throws {
        let cache = try await make(place)
        let requests = Array(repeating: CacheRequest.increment(by: 1, initial: 1, ttl: 0), count: 1000)
        #expect(try await cache.all(requests, "n").map(\.number) == (1...1000).map(UInt64.init))
    }
}

@Suite struct CacheKeyTests {
    private func make(_ key: String) -> String {
        CacheKey.make(site: SiteName(unchecked: "alice"), plugin: PluginName(unchecked: "omb"), key: key)
    }

    @Test("Keys name site and plugin; what memcached can't take is hashed, and stays apart")
    func keys() {
        #expect(make("plain:key") == "hostd:alice:omb:plain:key")
        let odd = ["with space", "line\r\nflush_all", "\u{7F}", String(repeating: "k", count: 250), "#", ""]
        let made = odd.filter { !$0.isEmpty }.map(make)
        #expect(made.allSatisfy { $0.hasPrefix("hostd:alice:omb:#") && $0.utf8.count == 17 + 64 })
        #expect(Set(made).count == made.count)
        #expect(make("é") == "hostd:alice:omb:é")
    }
}

@Suite struct CacheTableTests {
    private func set(_ count: Int, ttl: UInt32 = 0) -> CacheRequest {
        .set(Array(repeating: 1, count: count), ttl: ttl, onlyIfAbsent: false)
    }

    @Test("Over the limit the one unused for longest goes")
    func leastRecentlyUsed() {
        var table = CacheTable(maxEntries: 3)
        for key in ["a", "b", "c"] { _ = table.perform(set(1), key: key, nowMs: 0) }
        _ = table.perform(.get, key: "a", nowMs: 0)
        _ = table.perform(set(1), key: "d", nowMs: 0)
        var there: [String] = []
        for key in ["a", "b", "c", "d"] where table.perform(.get, key: key, nowMs: 0).status == HOSTD_OK {
            there.append(key)
        }
        #expect(there == ["a", "c", "d"] && table.count == 3)
    }

    @Test("Bytes are bounded too, whatever happens")
    func bytes() {
        var table = CacheTable(maxBytes: 10_000)
        var random = SeededRandom(seed: 3)
        for step in 0..<5000 {
            let key = "k\(Int.random(in: 0..<60, using: &random))"
            switch Int.random(in: 0..<4, using: &random) {
            case 0: _ = table.perform(.remove, key: key, nowMs: Int64(step))
            case 1: _ = table.perform(.increment(by: 1, initial: 0, ttl: 1), key: key, nowMs: Int64(step))
            case 2: _ = table.perform(.get, key: key, nowMs: Int64(step))
            default:
                let size = Int.random(in: 0..<900, using: &random)
                _ = table.perform(set(size, ttl: 1), key: key, nowMs: Int64(step))
            }
            #expect(table.bytes <= 10_000 && table.bytes >= 0)
        }
        for key in 0..<60 { _ = table.perform(.remove, key: "k\(key)", nowMs: 0) }
        #expect(table.count == 0 && table.bytes == 0)
    }
}
