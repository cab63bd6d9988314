// SPDX-License-Identifier: Apache-2.0
import Control
import NIOConcurrencyHelpers
import QueueCore
import QueueStore
import TestSupport
import Testing

@testable import Broker

/// Producers wait for room, deliveries don't.
@Suite struct RoomTests {
    private static let body = String(repeating: "x", count: 20_000)

    // MARK: Decisions

    private static func space(used: Int64, free: Int64 = 1 << 40) -> StoreSpace {
        StoreSpace(fileBytes: used, usedBytes: used, diskFree: free)
    }

    @Test("Short begins at the limit and ends clearly below it") func limit() {
        var guardian = SpaceGuard()
        for (used, isShort) in [(999, false), (1000, true), (950, true), (939, true), (937, false), (999, false)] {
            guardian.look(at: Self.space(used: Int64(used)), maxStore: 1000)
            #expect((guardian.shortage != nil) == isShort, "\(used)")
        }
        guardian.look(at: Self.space(used: 1 << 50), maxStore: nil)
        #expect(guardian.shortage == nil && guardian.text == nil)
    }

    @Test("A disk that is nearly full is short, whatever max_store says; one that says nothing isn't") func disk() {
        var guardian = SpaceGuard()
        for (free, isShort) in [(64, false), (63, true), (95, true), (96, false), (80, false)] {
            guardian.look(at: Self.space(used: 1, free: Int64(free) << 20), maxStore: 1000)
            #expect((guardian.shortage != nil) == isShort, "\(free) MiB")
        }
        guardian.look(at: Self.space(used: 1, free: 0), maxStore: nil)
        #expect(guardian.text?.contains("producers wait") == true)
        guardian.look(at: StoreSpace(), maxStore: nil)
        #expect(guardian.shortage == nil)
    }

    @Test("A small share of free pages stays for the next items, a big one goes back") func reclaim() {
        func pages(_ rule: inout ReclaimRule, all: Int64, free: Int64, isShort: Bool = false) -> Int {
            let bytes = StoreSpace.pageBytes
            return rule.pages(StoreSpace(fileBytes: all * bytes, usedBytes: (all - free) * bytes), isShort: isShort)
        }
        var rule = ReclaimRule()
        let few = pages(&rule, all: 2000, free: 1023)
        let begun = pages(&rule, all: 2000, free: 1024)
        let goesOn = pages(&rule, all: 1300, free: 300)
        let ended = pages(&rule, all: 1256, free: 256)
        let stays = pages(&rule, all: 1300, free: 300)
        #expect([few, begun, goesOn, ended, stays] == [0, ReclaimRule.step, ReclaimRule.step, 0, 0])
        let big = pages(&rule, all: 1_000_000, free: 100_000)
        let short = pages(&rule, all: 1000, free: 256, isShort: true)
        let last = pages(&rule, all: 800, free: 3, isShort: true)
        #expect([big, short, last] == [0, ReclaimRule.step, 3])
    }

    // MARK: The broker

    private func flood(_ client: StompTestClient, queue: String, count: Int) async throws {
        for number in 0..<count {
            try await client.send(
                "SEND",
                [
                    "destination": "/queue/statusnet/main", "site": "alice", "queue": queue, "receipt": "\(number)",
                ],
                body: "\(number) \(Self.body)"
            )
        }
    }

    private func receipts(_ client: StompTestClient) -> Int { client.frames.all.count { $0.command == "RECEIPT" } }

    @Test("Past queue.max_store a producer waits, with no ERROR; deliveries go on, make room, and all of it comes")
    func maxStore() async throws {
        let count = 1000
        let broker = try await BrokerHarness { $0.maxStoreBytes = 2 << 20 }
        let client = try await broker.stomp()
        let sending = Task { try await flood(client, queue: "out", count: count) }
        try await eventually("the store is short of room") { try await broker.onLoop { $0.upkeep.isShort } }
        let status = try await broker.command("status").result
        #expect(status?["store"]?["producers_wait"] == .bool(true))
        #expect(status?["needs"]?.array?.first?.string?.contains("queue.max_store") == true)
        let samples = try await broker.command("metrics").result?.array ?? []
        func sample(_ name: String) -> Double? { samples.first { $0["name"]?.string == name }?["value"]?.number }
        #expect(sample("hostd_producers_wait") == 1 && sample("hostd_store_limit_bytes") == Double(2 << 20))
        #expect(sample("hostd_store_used_bytes") ?? 0 >= Double(2 << 20))
        #expect(sample("hostd_dead_letter_files_waiting") == nil)
        // What was on its way when it became short may be in; the rest waits.
        try await eventually("the producer waits") {
            try await broker.onLoop { core in core.unstoredBytes == 0 }
        }
        #expect(receipts(client) < count)
        let before = try await broker.onLoop { $0.store.space.usedBytes }
        #expect(before < 12 << 20)

        let worker = try await broker.worker([("out", 8)])
        for number in 0..<count {
            let item = try await worker.next(within: .seconds(60))
            #expect(item.payload.hasPrefix("\(number) "))
            try await worker.end(item, Outcome(.done))
        }
        try await sending.value
        try await client.receipt("\(count - 1)")
        #expect(receipts(client) == count)
        #expect(client.frames.all.allSatisfy { $0.command != "ERROR" })
        #expect(worker.items.all.count == count)
        try await broker.stop()
    }

    @Test("With little left of the disk producers wait, one that also subscribes is heard, and room lets them go on")
    func shortDisk() async throws {
        let free = NIOLockedValueBox(Int64(1) << 40)
        let broker = try await BrokerHarness(diskFree: free)
        let both = try await broker.stomp()
        try await both.send("SUBSCRIBE\nid:s\ndestination:/queue/a\nack:client-individual\n\n\0")
        try await both.send("SEND", ["destination": "/queue/a", "receipt": "1"], body: "one")
        try await both.receipt("1")
        free.withLockedValue { $0 = 50 << 20 }
        let producer = try await broker.stomp()
        try await producer.send("SEND", ["destination": "/queue/b", "receipt": "first"], body: "x")
        try await eventually("the disk is short") { try await broker.onLoop { $0.upkeep.isShort } }
        try await producer.send("SEND", ["destination": "/queue/b", "receipt": "second"], body: "x")
        let message = try await both.frames.first("the item") { $0.command == "MESSAGE" }
        try await both.send("ACK\nid:\(message["ack"] ?? "")\nreceipt:acked\n\n\0")
        try await both.receipt("acked")
        #expect(client(producer, has: "second") == false)
        free.withLockedValue { $0 = 1 << 40 }
        try await producer.receipt("second")
        #expect(try await broker.command("status").result?["needs"] == .array([]))
        try await broker.stop()
    }

    private func client(_ client: StompTestClient, has receipt: String) -> Bool {
        client.frames.all.contains { $0["receipt-id"] == receipt }
    }

    @Test("A producer that leaves while it waits has sent what it sent") func leaves() async throws {
        let free = NIOLockedValueBox(Int64(50) << 20)
        let broker = try await BrokerHarness(diskFree: free)
        try await broker.onLoop { $0.upkeep.measured() }
        #expect(try await broker.onLoop { $0.upkeep.isShort })
        let producer = try await broker.stomp()
        try await producer.send("SEND\ndestination:/queue/b\n\nlast words\0")
        try await producer.drop()
        let consumer = try await broker.stomp()
        try await consumer.send("SUBSCRIBE\nid:s\ndestination:/queue/b\nack:auto\n\n\0")
        #expect(try await consumer.frame().text == "last words")
        try await broker.stop()
    }

    @Test("Where room is short outcomes go before their time, but for what tells duplicates")
    func earlyEnd() async throws {
        let broker = try await BrokerHarness()
        let client = try await broker.stomp()
        var sent = 0
        func send(_ queue: String, _ body: String, key: String = "") async throws {
            sent += 1
            try await client.send(
                "SEND",
                [
                    "destination": "/queue/statusnet/main", "site": "alice", "queue": queue, "dedupe": key,
                    "receipt": "\(sent)",
                ],
                body: body
            )
            try await client.receipt("\(sent)")
        }
        try await send("stage", WorkerQueueTests.notice)
        try await send("out", "keyed", key: "k")
        let worker = try await broker.worker([("stage", 1), ("out", 1)])
        for _ in 0..<2 { try await worker.end(try await worker.next(), Outcome(.done)) }
        try await broker.settled()
        func isKnown() async throws -> Bool {
            try await broker.command("notice", ["notice": .string("42")]).error == nil
        }
        #expect(try await isKnown())
        func setLimit(_ bytes: Int64?) async throws {
            var configuration = broker.configuration
            configuration.maxStoreBytes = bytes
            let changed = configuration
            try await broker.onLoop { $0.configure(changed) }
        }
        try await setLimit(4096)
        try await eventually("the notice is forgotten") { try await !isKnown() }
        try await setLimit(nil)
        try await send("out", "keyed again", key: "k")
        try await send("out", "the last")
        #expect(try await worker.next().payload == "the last")
        try await broker.stop()
    }
}
