// SPDX-License-Identifier: Apache-2.0
import Control
import QueueCore
import TestSupport
import Testing
import WorkerLink

@testable import Broker

@Suite struct BigFanOutTests {
    private static let chunks = 10
    private static let chunk = 1000

    private func post(_ client: StompTestClient, _ number: Int) async throws {
        let notice = """
            {"id": \(number), "uri": "http://alice.example/notice/\(number)", "content": "Hello",
            "author": {"uri": "http://alice.example/user/7"}}
            """
        try await client.send(
            "SEND",
            ["destination": "/queue/statusnet/main", "site": "alice", "queue": "notice", "receipt": "\(number)"],
            body: notice
        )
        try await client.receipt("\(number)")
    }

    private func staged(_ numbers: Range<Int>, _ prefix: String) -> [NewItem] {
        numbers.map { number in
            var item = NewItem(queue: QueueName(unchecked: "out"), payload: Array("\(prefix)\(number)".utf8))
            item.shared = Array("body of \(prefix)".utf8)
            item.target = "http://r.example/\(prefix)\(number)"
            return item
        }
    }

    /// Stages a chunk; the handler goes on where the cursor says.
    private func stageChunk(_ worker: FakeWorker) async throws -> FakeWorker.Item {
        let item = try await worker.next()
        let place = Int(item.cursor) ?? 0
        var outcome = Outcome(place + 1 == Self.chunks ? .done : .continue)
        if outcome.code == .continue { outcome.cursor = Array("\(place + 1)".utf8) }
        try await worker.end(
            item,
            outcome,
            staging: staged(place * Self.chunk..<(place + 1) * Self.chunk, "big")
        )
        return item
    }

    @Test("A fresh notice's targets go before the later chunks of a big fan-out, and each target once")
    func freshFirst() async throws {
        let broker = try await BrokerHarness()
        let client = try await broker.stomp()
        let expander = try await broker.worker([("stage", 1)])
        try await post(client, 1)
        for place in 0..<5 {
            let item = try await stageChunk(expander)
            #expect(item.cursor == (place == 0 ? "" : "\(place)"))
        }
        // The sixth chunk is in a handler already.
        let sixth = try await expander.next()
        try await post(client, 2)
        try await eventually("the fresh notice is distributed") {
            try await broker.command("notice", ["notice": .string("2")]).result?["notices"]?.array?.count == 1
        }
        var outcome = Outcome(.continue)
        outcome.cursor = Array("6".utf8)
        try await expander.end(sixth, outcome, staging: staged(5 * Self.chunk..<6 * Self.chunk, "big"))
        let fresh = try await expander.next()
        #expect(fresh.payload.contains("notice/2"))
        try await expander.end(fresh, Outcome(.done), staging: staged(0..<10, "fresh"))
        for place in 6..<Self.chunks {
            let item = try await stageChunk(expander)
            #expect(item.cursor == "\(place)")
        }
        try await broker.settled()

        let deliverer = try await broker.worker([("out", 64)], pid: 5_000_002)
        var order: [String] = []
        while order.count < Self.chunks * Self.chunk + 10 {
            var batch: [FakeWorker.Item] = []
            repeat { batch.append(try await deliverer.next()) } while batch.count < 10
            order += batch.map(\.payload)
            try await deliverer.end(batch, Outcome(.done))
        }
        try await broker.settled()
        let places = order.indices.filter { order[$0].hasPrefix("fresh") }
        #expect(places == Array(Self.chunk..<Self.chunk + 10))
        #expect(order.filter { $0.hasPrefix("big") } == (0..<Self.chunks * Self.chunk).map { "big\($0)" })
        let reply = try await broker.command("notice", ["notice": .string("1")])
        #expect(reply.result?["notices"]?.array?.first?["targets"]?["waiting"]?.int == 0)
        try await broker.stop()
    }

    @Test("A broker that dies between two chunks goes on at the cursor: no target twice, none left out")
    func resumes() async throws {
        let broker = try await BrokerHarness()
        let expander = try await broker.worker([("stage", 1)])
        try await post(try await broker.stomp(), 1)
        for _ in 0..<3 { _ = try await stageChunk(expander) }
        let fourth = try await expander.next()
        #expect(fourth.cursor == "3")
        try await broker.crash()
        let second = try await BrokerHarness(directory: broker.directory)
        let other = try await second.worker([("stage", 1)])
        for place in 3..<Self.chunks {
            let item = try await stageChunk(other)
            #expect(item.cursor == "\(place)")
        }
        try await second.settled()
        let reply = try await second.command("notice", ["notice": .string("1")])
        #expect(
            reply.result?["notices"]?.array?.first?["targets"]?["waiting"]?.int == Int64(Self.chunks * Self.chunk)
        )
        try await second.stop()
    }

    @Test("A chunk whose notice is deleted while its handler runs stages nothing") func deleted() async throws {
        let broker = try await BrokerHarness()
        let client = try await broker.stomp()
        let expander = try await broker.worker([("stage", 1)])
        try await post(client, 1)
        _ = try await stageChunk(expander)
        let second = try await expander.next()
        try await client.send(
            "SEND",
            ["destination": "/queue/statusnet/main", "site": "alice", "queue": "notice", "receipt": "d"],
            body: #"{"delete": "http://alice.example/notice/1"}"#
        )
        try await client.receipt("d")
        let dead: @Sendable () async throws -> Int64? = {
            let reply = try await broker.command("notice", ["notice": .string("1")])
            return reply.result?["notices"]?.array?.first?["targets"]?["dead"]?.int
        }
        try await eventually("the first chunk is dropped") { try await dead() == Int64(Self.chunk) }
        var outcome = Outcome(.continue)
        outcome.cursor = Array("2".utf8)
        try await expander.end(second, outcome, staging: staged(1000..<2000, "big"))
        try await broker.settled()
        let targets = try await broker.command("notice", ["notice": .string("1")]).result?["notices"]?.array?.first?[
            "targets"
        ]
        #expect(targets?["dead"]?.int == Int64(Self.chunk))
        #expect(targets?["waiting"]?.int == 0)
        #expect(expander.items.all.count == 2)
        try await broker.stop()
    }
}
