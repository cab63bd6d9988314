// SPDX-License-Identifier: Apache-2.0
import Control
import QueueCore
import QueueStore
import TestSupport
import Testing
import WorkerLink

@testable import Broker

/// `queuectl target PATTERN block` and `unblock`.
@Suite struct BlockTests {
    private let clock = VirtualBrokerClock()

    private func change(
        _ broker: BrokerHarness,
        _ command: String,
        _ pattern: String,
        site: String? = nil,
        drop: Bool = false
    ) async throws -> ControlReply {
        var arguments: [String: JSONValue] = ["target": .string(pattern), "drop": .bool(drop)]
        if let site { arguments["site"] = .string(site) }
        return try await broker.command(command, arguments)
    }

    private func lanes(_ broker: BrokerHarness) async throws -> [JSONValue] {
        try await broker.command("status").result?["lanes"]?.array ?? []
    }

    @Test(
        "What is for a blocked target waits, what is in a handler is cancelled, and unblock sends all of it, in order"
    )
    func blockAndUnblock() async throws {
        let broker = try await BrokerHarness(clock: clock)
        let worker = try await broker.worker([("out", 64)])
        try await broker.send(0..<10, target: "http://down.example/t")
        let held = try await worker.take(5)
        try await broker.settled(claimed: 5)
        #expect(try await change(broker, "target.block", "down.example").error == nil)
        let cancelled = try await worker.cancelled.next("a cancel")
        #expect(Set(cancelled) == Set(held.map(\.delivered.id)))
        // A retry that a cancel made charges nobody.
        try await worker.end(held, Outcome(.retry, reason: .network, text: "cancelled"))
        try await broker.settled()
        try await broker.send(10..<12, target: "http://down.example/t")
        try await broker.send(100..<101, target: "http://well.example/t")
        let other = try await worker.next()
        #expect(other.payload == "100")
        try await worker.end(other, Outcome(.done))
        try await broker.settled()
        try await broker.advance(clock, ms: 4_000_000)
        try await broker.settled()
        #expect(worker.items.all.count == 6)
        let lane = try #require(try await lanes(broker).first)
        #expect(lane["state"]?.string == "blocked")
        #expect(lane["reason"]?.string == TargetBlock.reason)
        #expect(lane["next_attempt"] == .null)
        #expect(lane["waiting"]?.int == 12)

        #expect(try await change(broker, "target.unblock", "down.example").error == nil)
        var order: [Int] = []
        for _ in 0..<12 {
            let item = try await worker.next()
            #expect(item.delivered.attempt == 1)
            order.append(try #require(Int(item.payload)))
            try await worker.end(item, Outcome(.done))
        }
        #expect(Set(order) == Set(0..<12))
        #expect(order.dropFirst().elementsEqual(order.dropFirst().sorted()))
        try await broker.settled()
        try await eventually("no lane backs off") { try await lanes(broker).isEmpty }
        try await broker.stop()
    }

    @Test("A block outlives a crash, also for targets that nobody had asked for before")
    func persistence() async throws {
        let broker = try await BrokerHarness()
        try await broker.send(0..<3, target: "http://a.down.example/t")
        #expect(try await change(broker, "target.block", "*.down.example").error == nil)
        try await broker.crash()
        let second = try await BrokerHarness(directory: broker.directory)
        let worker = try await second.worker()
        try await second.send(3..<4, target: "http://b.down.example/t")
        try await second.send(4..<5, target: "http://down.example/t")
        #expect(try await worker.next().payload == "4")
        try await second.settled(claimed: 1)
        #expect(worker.items.all.count == 1)
        #expect(try await lanes(second).map { $0["state"]?.string } == ["blocked", "blocked"])
        let blocks = try await second.command("target.blocks").result?["blocks"]?.array
        #expect(blocks?.map { $0["pattern"]?.string } == ["*.down.example"])
        try await second.crash()
        let third = try await BrokerHarness(directory: broker.directory)
        let free = try await third.worker()
        let four = try await free.next()
        #expect(four.payload == "4")
        try await free.end(four, Outcome(.done))
        try await third.settled()
        #expect(free.items.all.count == 1)
        #expect(try await change(third, "target.unblock", "*.down.example").error == nil)
        var seen: Set<String> = []
        while !seen.isSuperset(of: ["0", "1", "2", "3"]) {
            let item = try await free.next()
            seen.insert(item.payload)
            try await free.end(item, Outcome(.done))
        }
        try await third.stop()
    }

    @Test("One site alone can be blocked; what is wrong is told")
    func site() async throws {
        let broker = try await BrokerHarness(clock: clock)
        let worker = try await broker.worker([("out", 64)])
        #expect(try await change(broker, "target.block", "http://t/", site: "alice.example").error == nil)
        try await broker.send(0..<1, target: "http://t/")
        try await broker.send(1..<2, site: "bob", target: "http://t/")
        #expect(try await worker.next().payload == "1")
        try await broker.settled(claimed: 1)
        #expect(worker.items.all.count == 1)
        #expect(try await change(broker, "target.block", "a b").error != nil)
        #expect(try await change(broker, "target.block", "a", site: "nobody").error?.contains("nobody") == true)
        #expect(try await change(broker, "target.unblock", "elsewhere").error?.contains("isn't blocked") == true)
        let retried = try await broker.command("target.retry", ["target": .string("http://t/")]).result
        #expect(retried?["blocked"]?.bool == true)
        #expect(retried?["lanes"]?.int == 0)
        #expect(try await change(broker, "target.block", "x.example").error == nil)
        let wrong = try await change(broker, "target.unblock", "x.example", site: "alice").error
        #expect(wrong?.contains("without -s") == true)
        #expect(try await change(broker, "target.unblock", "http://t/").error == nil)
        #expect(try await worker.next().payload == "0")
        try await broker.stop()
    }

    @Test("With drop, what waits is given up and makes no dead letter; what comes later waits")
    func drop() async throws {
        let broker = try await BrokerHarness(clock: clock)
        try await broker.send(0..<20, target: "http://t/")
        let worker = try await broker.worker([("out", 5)])
        let held = try await worker.take(5)
        try await broker.settled(claimed: 5)
        let answer = try await change(broker, "target.block", "http://t/", drop: true)
        #expect(answer.result?["dropped"]?.int == 20)
        try await worker.end(held, Outcome(.giveBack))
        try await broker.settled()
        try await broker.send(20..<21, target: "http://t/")
        try await broker.settled()
        #expect(try await broker.command("dead.list").result?["items"] == .array([]))
        #expect(try await change(broker, "target.unblock", "http://t/").error == nil)
        let last = try await worker.next()
        #expect(last.payload == "20")
        try await worker.end(last, Outcome(.done))
        try await broker.settled()
        #expect(worker.items.all.count == 6)
        try await broker.stop()
    }

    @Test("An item whose lane is others' too is held back alone")
    func sharedLane() async throws {
        let broker = try await BrokerHarness(clock: clock)
        let worker = try await broker.worker([("stage", 1), ("out", 5)])
        let client = try await broker.stomp()
        try await client.send(
            "SEND",
            ["destination": "/queue/statusnet/main", "site": "alice", "queue": "notice", "receipt": "n"],
            body: WorkerQueueTests.notice
        )
        try await client.receipt("n")
        let stage = try await worker.next()
        #expect(try await change(broker, "target.block", "http://bad/").error == nil)
        let staged = ["http://bad/", "http://good/"].map { target in
            var item = NewItem(queue: QueueName(unchecked: "out"), payload: Array(target.utf8))
            item.target = target
            item.lane = "account"
            return item
        }
        try await worker.end(stage, Outcome(.done), staging: staged)
        let good = try await worker.next()
        #expect(good.payload == "http://good/")
        try await worker.end(good, Outcome(.done))
        try await broker.settled()
        #expect(worker.items.all.count == 2)
        #expect(try await change(broker, "target.unblock", "http://bad/").error == nil)
        #expect(try await worker.next().payload == "http://bad/")
        try await broker.stop()
    }

    @Test("A delete frame ends what is in a handler")
    func deletion() async throws {
        let broker = try await BrokerHarness(clock: clock)
        let worker = try await broker.worker([("stage", 1), ("out", 5)])
        let client = try await broker.stomp()
        for body in [WorkerQueueTests.notice, #"{"delete": "http://alice.example/notice/42"}"#] {
            try await client.send(
                "SEND",
                ["destination": "/queue/statusnet/main", "site": "alice", "queue": "notice", "receipt": "n"],
                body: body
            )
            try await client.receipt("n")
            if body == WorkerQueueTests.notice { #expect(try await worker.next().delivered.queue.rawValue == "stage") }
        }
        #expect(try await worker.cancelled.next("a cancel").count == 1)
        try await broker.stop()
    }
}
