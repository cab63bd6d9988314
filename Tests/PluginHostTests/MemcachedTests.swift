// SPDX-License-Identifier: Apache-2.0
import Foundation
import PluginABI
import Testing
import TestSupport

@testable import PluginHost

@Suite struct MemcachedTests {
    private let up = CacheRequest.increment(by: 1, initial: 1, ttl: 0)

    @Test("Two workers count in one counter, and nothing is lost")
    func shared() async throws {
        let memcached = try await Memcached()
        let server = memcached.server
        let first = try await AskedCache { MemcachedCache([server], loop: $0) }
        let second = try await AskedCache { MemcachedCache([server], loop: $0) }
        let requests = Array(repeating: up, count: 2000)
        async let ones = first.all(requests, "n")
        async let others = second.all(requests, "n")
        let numbers = try await ones.map(\.number) + others.map(\.number)
        #expect(Set(numbers) == Set(1...4000))
    }

    @Test("One connection serves all that a worker asks")
    func oneConnection() async throws {
        let memcached = try await Memcached()
        let server = memcached.server
        let before = try await memcached.statistic("total_connections")
        let cache = try await AskedCache { MemcachedCache([server], loop: $0) }
        for _ in 0..<50 { #expect(try await cache.ask(up, "n").status == HOSTD_OK) }
        // One is the cache's, one is the second look.
        #expect(try await memcached.statistic("total_connections") == before.map { $0 + 2 })
    }

    @Test("A server that is gone is an error at once, and is there again when it is back")
    func killed() async throws {
        let memcached = try await Memcached()
        let server = memcached.server
        let cache = try await AskedCache { MemcachedCache([server], loop: $0) }
        #expect(try await cache.ask(up, "n").number == 1)
        try await memcached.kill()
        #expect(try await cache.all(Array(repeating: up, count: 500), "n").allSatisfy { $0.status == HOSTD_E_IO })
        try await memcached.start()
        try await eventually("it counts again") { try await cache.ask(up, "n").status == HOSTD_OK }
        #expect(try await cache.ask(.get, "n").value == Array("1".utf8))
    }

    @Test("A server that hangs costs one time limit, then it is skipped")
    func stopped() async throws {
        let memcached = try await Memcached()
        let server = memcached.server
        let cache = try await AskedCache { MemcachedCache([server], loop: $0) }
        #expect(try await cache.ask(up, "n").status == HOSTD_OK)
        try await memcached.stop()
        // In turns, so that they don't go as one.
        let requests = (0..<500).map { $0 % 2 == 0 ? up : .get }
        let answers = try await cache.all(requests, "n").map(\.status)
        memcached.signal(SIGCONT)
        // A machine that is very busy may let the rest pass in between: each further limit is 2 s later.
        #expect(answers.count { $0 == HOSTD_E_TIMEOUT } < 10 && answers.first == HOSTD_E_TIMEOUT)
        #expect(answers.allSatisfy { $0 == HOSTD_E_TIMEOUT || $0 == HOSTD_E_IO })
        try await eventually("it counts again") { try await cache.ask(up, "n").status == HOSTD_OK }
    }

    @Test("With several servers each has its share, and one's death is no matter for the others")
    func several() async throws {
        let (first, second) = (try await Memcached(), try await Memcached())
        let servers = [first.server, second.server]
        let cache = try await AskedCache { MemcachedCache(servers, loop: $0) }
        for index in 0..<100 { #expect(try await cache.ask(up, "key\(index)").status == HOSTD_OK) }
        let shares = [try await first.statistic("curr_items") ?? 0, try await second.statistic("curr_items") ?? 0]
        #expect(shares[0] > 10 && shares[1] > 10 && shares[0] + shares[1] == 100)
        try await second.kill()
        var counted = 0
        for index in 0..<100 where try await cache.ask(up, "key\(index)").number == 2 { counted += 1 }
        #expect(counted == shares[0])
    }

    @Test("No server at all is an error, not a wait")
    func never() async throws {
        let memcached = try await Memcached()
        let server = memcached.server
        try await memcached.kill()
        let cache = try await AskedCache { MemcachedCache([server], loop: $0) }
        #expect(try await cache.all([up, .get, .remove], "n").allSatisfy { $0.status == HOSTD_E_IO })
    }

    @Test("A plugin uses it through the ABI, its keys under its site's and its own name")
    func plugin() async throws {
        let memcached = try await Memcached()
        let server = memcached.server
        let plugin = try await HostedPlugin("connected") { $0.cacheServers = [server] }
        #expect(try await plugin.answer("c-many n 500") == "failed=0 last=500")
        #expect(try await plugin.answer("c-add n -1 0 0") == "status=0 value= number=499")
        #expect(try await plugin.answer("c-get n") == "status=0 value=499 number=0")
        let cache = try await AskedCache { MemcachedCache([server], loop: $0) }
        #expect(try await cache.ask(.get, "hostd:alice:scripted:n").value == Array("499".utf8))
    }
}

@Suite struct CacheServiceTests {
    @Test("Without servers the cache is the worker's own")
    func memory() async throws {
        let plugin = try await HostedPlugin("connected")
        #expect(try await plugin.answer("c-get k") == "status=\(HOSTD_E_NOTFOUND) value= number=0")
        #expect(try await plugin.answer("c-set k v 0 1") == "status=0 value= number=0")
        #expect(try await plugin.answer("c-set k w 0 1") == "status=\(HOSTD_E_STALE) value= number=0")
        #expect(try await plugin.answer("c-get k") == "status=0 value=v number=0")
        #expect(try await plugin.answer("c-add n 5 7 0") == "status=0 value= number=7")
        #expect(try await plugin.answer("c-many n 100") == "failed=0 last=107")
        #expect(try await plugin.answer("c-remove k") == "status=0 value= number=0")
        #expect(try await plugin.answer("c-get ") == "refused=\(HOSTD_E_INVAL)")
        try await plugin.onLoop { #expect($0.operations.count == 0) }
    }
}
