// SPDX-License-Identifier: Apache-2.0
import Control
import Foundation
import QueueCore
import TestSupport
import Testing

@testable import Broker

/// The queue `notice`: distributed by the transaction that stores it, or when its turn comes.
@Suite struct NoticeTests {
    private static let delete = #"{"delete": "http://alice.example/notice/42"}"#

    private func send(
        _ client: StompTestClient,
        _ body: String,
        _ header: (String, String) = ("persistent", "true")
    ) async throws {
        let receipt = UUID().uuidString
        try await client.send(
            "SEND",
            [
                "destination": "/queue/statusnet/main", "site": "alice", "queue": "notice", "receipt": receipt,
                header.0: header.1,
            ],
            body: body
        )
        try await client.receipt(receipt)
    }

    /// The states of the stage-1 items of a notice.
    private func staged(_ broker: BrokerHarness, _ number: String = "42") async throws -> [String] {
        let reply = try await broker.command("notice", ["notice": .string(number)])
        let items = reply.result?["notices"]?.array?.first?["items"]?.array ?? []
        return items.filter { $0["queue"]?.string == "stage" }.compactMap { $0["state"]?.string }
    }

    @Test("With its receipt a notice is on the stage-1 queues, and nothing waits on its own") func atOnce() async throws
    {
        let broker = try await BrokerHarness()
        let client = try await broker.stomp()
        try await send(client, WorkerQueueTests.notice)
        #expect(try await staged(broker) == ["ready"])
        let queues = try await broker.command("status").result?["queues"]?.array ?? []
        #expect(queues.filter { $0["queue"]?.string == "notice" }.allSatisfy { $0["ready"]?.int == 0 })
        #expect(queues.first { $0["queue"]?.string == "stage" }?["ready"]?.int == 1)
        try await broker.stop()
    }

    @Test("The same notice sent twice with one dedupe key is distributed once") func duplicate() async throws {
        let broker = try await BrokerHarness()
        let client = try await broker.stomp()
        for _ in 0..<2 { try await send(client, WorkerQueueTests.notice, ("dedupe", "notice 42")) }
        #expect(try await staged(broker) == ["ready"])
        try await broker.stop()
    }

    @Test("A delete frame never overtakes its notice, whatever the notice waits for") func deleteWaits() async throws {
        let broker = try await BrokerHarness()
        let client = try await broker.stomp()
        #expect(try await broker.command("pause", ["queue": .string("notice")]).error == nil)
        try await send(client, WorkerQueueTests.notice)
        try await send(client, Self.delete)
        #expect(try await staged(broker).isEmpty)
        #expect(try await broker.command("resume", ["queue": .string("notice")]).error == nil)
        try await eventually("both went through") { try await staged(broker) == ["dead"] }
        try await eventually("the queue is empty") {
            try await broker.onLoop { core in
                core.dispatcher.linesByName["notice"]?.sources.values.allSatisfy { $0.isEmpty && $0.claimed == 0 }
            } == true
        }
        // The next one doesn't wait.
        try await send(client, WorkerQueueTests.notice.replacing("42", with: "43"))
        #expect(try await staged(broker, "43") == ["ready"])
        try await broker.stop()
    }

    @Test("A delayed notice waits, and is distributed when it is due") func delayed() async throws {
        let clock = VirtualBrokerClock()
        let broker = try await BrokerHarness(clock: clock)
        let client = try await broker.stomp()
        try await send(client, WorkerQueueTests.notice, ("delay", "5000"))
        #expect(try await staged(broker).isEmpty)
        try await broker.advance(clock, ms: 5001)
        try await eventually("it is distributed") { try await staged(broker) == ["ready"] }
        try await broker.stop()
    }
}
