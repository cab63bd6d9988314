// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import Broker

/// A destination that isn't hostd's own is a plain queue of a STOMP broker.
@Suite struct PlainQueueTests {
    @Test(
        "An item comes out as it went in, with the producer's headers, in every version",
        arguments: [nil, "1.1", "1.2"]
    )
    func versions(_ version: String?) async throws {
        let broker = try await BrokerHarness()
        let client = try await broker.stomp(version: version)
        try await client.send(
            "SEND",
            [
                "destination": StompTestClient.plainQueue, "content-type": "text/plain", "x-colour": "red",
                "receipt": "r",
            ],
            body: "hello"
        )
        try await client.receipt("r")
        try await client.subscribePlain(ack: "client")
        let frame = try await client.message()
        #expect(frame.command == "MESSAGE")
        #expect(frame.text == "hello")
        #expect(frame["destination"] == StompTestClient.plainQueue)
        #expect(frame["subscription"] == "s")
        #expect(frame["content-type"] == "text/plain")
        #expect(frame["x-colour"] == "red")
        #expect(frame["redelivered"] == "false")
        #expect(frame["delivery-count"] == "1")
        #expect(frame["receipt"] == nil)
        #expect((frame["ack"] != nil) == (version == "1.2"))
        try await client.settle("ACK", frame, version: version)
        try await client.sendPlain("next")
        #expect(try await client.message().text == "next")
        try await broker.stop()
    }

    @Test("With ack:auto what was sent is gone") func auto() async throws {
        let broker = try await BrokerHarness()
        let first = try await broker.stomp()
        try await first.sendPlain("1")
        try await first.subscribePlain(ack: "auto")
        #expect(try await first.message().text == "1")
        try await first.drop()
        let second = try await broker.stomp()
        try await second.subscribePlain(ack: "auto")
        try await second.sendPlain("2")
        #expect(try await second.message().text == "2")
        try await broker.stop()
    }

    @Test("With ack:client an ACK covers all before it") func cumulative() async throws {
        let broker = try await BrokerHarness()
        let first = try await broker.stomp()
        try await first.sendPlain("1", "2", "3", "4")
        try await first.subscribePlain(ack: "client")
        var frames: [StompTestClient.Frame] = []
        for _ in 0..<4 { frames.append(try await first.message()) }
        try await first.settle("ACK", frames[2])
        try await first.drop()
        let second = try await broker.stomp()
        try await second.subscribePlain(ack: "client")
        #expect(try await second.message().text == "4")
        try await broker.stop()
    }

    @Test("What a connection leaves unacknowledged comes back in order, and says so")
    func unacknowledged() async throws {
        let broker = try await BrokerHarness()
        let first = try await broker.stomp()
        try await first.sendPlain("1", "2", "3", "4", "5")
        try await first.subscribePlain(ack: "client-individual")
        var frames: [StompTestClient.Frame] = []
        for _ in 0..<5 { frames.append(try await first.message()) }
        try await first.settle("ACK", frames[1])
        try await first.drop()
        try await broker.settled()
        let second = try await broker.stomp()
        try await second.subscribePlain(ack: "client-individual")
        var again: [StompTestClient.Frame] = []
        for _ in 0..<4 { again.append(try await second.message()) }
        #expect(again.map(\.text) == ["1", "3", "4", "5"])
        #expect(again.allSatisfy { $0["redelivered"] == "true" && $0["delivery-count"] == "2" })
        #expect(again.map { $0["message-id"] } == [0, 2, 3, 4].map { frames[$0]["message-id"] })
        try await broker.stop()
    }

    @Test("Two subscribers' unacknowledged items come back in one order") func merged() async throws {
        let broker = try await BrokerHarness()
        let producer = try await broker.stomp()
        let subscribers = [try await broker.stomp(), try await broker.stomp()]
        for subscriber in subscribers { try await subscriber.subscribePlain(ack: "client", "prefetch-count:2\n") }
        try await producer.sendPlain("1", "2", "3", "4")
        try await broker.settled(claimed: 4)
        for subscriber in subscribers { try await subscriber.drop() }
        try await broker.settled()
        try await producer.subscribePlain(ack: "client")
        var order: [String] = []
        for _ in 0..<4 { order.append(try await producer.message().text) }
        #expect(order == ["1", "2", "3", "4"])
        try await broker.stop()
    }

    @Test("A NACK gives the item back to its place") func nack() async throws {
        let broker = try await BrokerHarness()
        let client = try await broker.stomp()
        try await client.sendPlain("1", "2")
        try await client.subscribePlain(ack: "client-individual", "prefetch-count:1\n")
        try await client.settle("NACK", try await client.message())
        let again = try await client.message()
        #expect(again.text == "1")
        #expect(again["redelivered"] == "true")
        #expect(again["delivery-count"] == "2")
        try await client.settle("ACK", again)
        #expect(try await client.message().text == "2")
        try await broker.stop()
    }

    @Test(
        "A subscriber gets no more than its prefetch",
        arguments: ["prefetch-count:2\n", "activemq.prefetchSize:2\n"]
    )
    func prefetch(_ header: String) async throws {
        let broker = try await BrokerHarness()
        let client = try await broker.stomp()
        try await client.subscribePlain(ack: "client-individual", header)
        try await client.sendPlain("1", "2", "3", "4", "5")
        let first = try await client.message()
        _ = try await client.message()
        #expect(try await broker.claimed() == 2)
        try await client.settle("ACK", first)
        #expect(try await client.message().text == "3")
        #expect(try await broker.claimed() == 2)
        #expect(client.frames.all.count { $0.command == "MESSAGE" } == 3)
        try await broker.stop()
    }

    @Test("ACK and DISCONNECT in one segment, with more items waiting, ends this connection and no other")
    func acknowledgeAndLeave() async throws {
        let broker = try await BrokerHarness()
        let client = try await broker.stomp()
        try await client.sendPlain("1", "2", "3")
        try await client.subscribePlain(ack: "client-individual", "prefetch-count:1\n")
        let frame = try await client.message()
        try await client.send("ACK\nid:\(frame["ack"] ?? "")\n\n\0DISCONNECT\nreceipt:bye\n\n\0")
        try await client.receipt("bye")
        try await client.closed()
        let other = try await broker.stomp()
        try await other.subscribePlain(ack: "client")
        #expect(try await other.message().text == "2")
        #expect(try await other.message().text == "3")
        try await broker.stop()
    }
}
