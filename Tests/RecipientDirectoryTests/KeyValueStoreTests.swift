// SPDX-License-Identifier: Apache-2.0
import QueueCore
import TestSupport
import Testing

@testable import RecipientDirectory

@Suite struct KeyValueStoreTests {
    private let folder: TemporaryDirectory
    private let writer: KeyValueWriter
    private let reader: KeyValueReader
    private let site = SiteName(unchecked: "alice")
    private let plugin = PluginName(unchecked: "twitter")

    init() throws {
        folder = try TemporaryDirectory()
        writer = try KeyValueWriter(path: "\(folder.path)/kv.db")
        reader = try KeyValueReader(path: "\(folder.path)/kv.db")
    }

    private func put(_ value: [UInt8], version: UInt64 = 0, ttl: UInt32 = 0, now: Int64 = 0) throws -> UInt64 {
        try writer.put(site, plugin, "k", value, version: version, ttlSeconds: ttl, nowMs: now)
    }

    private func get(now: Int64 = 0) throws -> KeyValue? { try reader.get(site, plugin, "k", nowMs: now) }

    @Test("A value is got with its version, by its site, plugin and key only")
    func putGet() throws {
        #expect(try get() == nil)
        let version = try put([0, 1, 255])
        #expect(try get() == KeyValue(value: [0, 1, 255], version: version))
        #expect(try reader.get(SiteName(unchecked: "bob"), plugin, "k", nowMs: 0) == nil)
        #expect(try reader.get(site, PluginName(unchecked: "omb"), "k", nowMs: 0) == nil)
        #expect(try reader.get(site, plugin, "K", nowMs: 0) == nil)
    }

    @Test("Version 0 replaces whatever is there")
    func always() throws {
        let first = try put([1])
        let second = try put([2])
        #expect(second > first)
        #expect(try get() == KeyValue(value: [2], version: second))
    }

    @Test("A version holds only while the value has it")
    func compare() throws {
        #expect(throws: RecipientDirectoryError.stale) { try put([1], version: 5) }
        let first = try put([1])
        let second = try put([2], version: first)
        #expect(throws: RecipientDirectoryError.stale) { try put([3], version: first) }
        #expect(throws: RecipientDirectoryError.stale) { try put([], version: first) }
        #expect(try get()?.value == [2])
        #expect(try put([], version: second) == 0)
        #expect(try get() == nil)
        #expect(throws: RecipientDirectoryError.stale) { try put([3], version: second) }
    }

    @Test("Only-if-absent sets once; an expired or removed value is absent")
    func onlyIfAbsent() throws {
        _ = try put([1], version: KeyValueLimits.onlyIfAbsent, ttl: 10, now: 1000)
        #expect(throws: RecipientDirectoryError.stale) {
            try put([2], version: KeyValueLimits.onlyIfAbsent, now: 10_999)
        }
        _ = try put([3], version: KeyValueLimits.onlyIfAbsent, now: 11_000)
        _ = try put([])
        _ = try put([4], version: KeyValueLimits.onlyIfAbsent)
        #expect(try get()?.value == [4])
    }

    @Test("A value ends with its time, and a put without one takes the time away")
    func expires() throws {
        _ = try put([1], ttl: 2, now: 5000)
        #expect(try get(now: 6999)?.value == [1])
        #expect(try get(now: 7000) == nil)
        _ = try put([1], ttl: 0, now: 5000)
        #expect(try get(now: .max) != nil)
        _ = try put([1], ttl: .max, now: 0)
        #expect(try get(now: Int64(UInt32.max) * 1000 - 1) != nil)
    }

    @Test("purge takes what is over, and no more than its limit")
    func purge() throws {
        for index in 0..<5 { try writer.put(site, plugin, "e\(index)", [1], ttlSeconds: 1, nowMs: 0) }
        _ = try put([1])
        _ = try writer.put(site, plugin, "later", [1], ttlSeconds: 9, nowMs: 0)
        #expect(try writer.purge(nowMs: 999) == 0)
        #expect(try writer.purge(nowMs: 1000, limit: 3) == 3)
        #expect(try writer.purge(nowMs: 1000) == 2)
        #expect(try writer.purge(nowMs: 1000) == 0)
        #expect(try get() != nil)
    }

    @Test("Keys and values beyond their limits are refused")
    func limits() throws {
        #expect(try put([UInt8](repeating: 1, count: 65_536)) > 0)
        #expect(throws: RecipientDirectoryError.invalid(field: "value", reason: "is longer than 64 KiB")) {
            try put([UInt8](repeating: 1, count: 65_537))
        }
        for key in ["", "a\u{0}b", String(repeating: "k", count: 513)] {
            #expect(throws: RecipientDirectoryError.self) { try writer.put(site, plugin, key, [1], nowMs: 0) }
            #expect(throws: RecipientDirectoryError.self) { try reader.get(site, plugin, key, nowMs: 0) }
        }
    }

    @Test("Two writers see each other's versions")
    func twoWriters() throws {
        let other = try KeyValueWriter(path: "\(folder.path)/kv.db")
        let version = try put([1])
        let next = try other.put(site, plugin, "k", [2], version: version, nowMs: 0)
        #expect(throws: RecipientDirectoryError.stale) { try put([3], version: version) }
        #expect(next > version)
    }
}
