// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import Broker

/// What a plain queue does with its items' headers, and what outlives the broker.
@Suite struct PlainQueueStoreTests {
    @Test("A higher priority goes first") func priority() async throws {
        let broker = try await BrokerHarness()
        let client = try await broker.stomp()
        for priority in ["1", "4", "9", "0"] {
            try await client.send(
                "SEND",
                ["destination": StompTestClient.plainQueue, "priority": priority, "receipt": priority],
                body: priority
            )
            try await client.receipt(priority)
        }
        try await client.subscribePlain(ack: "auto")
        var order: [String] = []
        for _ in 0..<4 { order.append(try await client.message().text) }
        #expect(order == ["9", "4", "1", "0"])
        try await broker.stop()
    }

    @Test("A delayed item waits for its time") func delay() async throws {
        let clock = VirtualBrokerClock()
        let broker = try await BrokerHarness(clock: clock)
        let client = try await broker.stomp()
        try await client.subscribePlain(ack: "auto")
        try await client.send(
            "SEND",
            ["destination": StompTestClient.plainQueue, "delay": "60000", "receipt": "r"],
            body: "later"
        )
        try await client.receipt("r")
        try await client.sendPlain("now")
        #expect(try await client.message().text == "now")
        try await broker.advance(clock, ms: 59_000)
        try await client.sendPlain("still now")
        #expect(try await client.message().text == "still now")
        try await broker.advance(clock, ms: 1000)
        #expect(try await client.message().text == "later")
        try await broker.stop()
    }

    @Test("The same dedupe key twice is one item") func dedupe() async throws {
        let broker = try await BrokerHarness()
        let client = try await broker.stomp()
        for (key, body) in [("a", "1"), ("a", "2"), ("b", "3")] {
            try await client.send(
                "SEND",
                ["destination": StompTestClient.plainQueue, "dedupe": key, "receipt": body],
                body: body
            )
            try await client.receipt(body)
        }
        try await client.subscribePlain(ack: "auto")
        #expect(try await client.message().text == "1")
        #expect(try await client.message().text == "3")
        try await broker.stop()
    }

    @Test("What a receipt was sent for outlives the broker's death, under the same id")
    func persistence() async throws {
        let broker = try await BrokerHarness()
        let client = try await broker.stomp()
        try await client.subscribePlain(ack: "client")
        try await client.sendPlain("1")
        let frame = try await client.message()
        try await broker.crash()
        let second = try await BrokerHarness(directory: broker.directory)
        let other = try await second.stomp()
        try await other.subscribePlain(ack: "client")
        let again = try await other.message()
        #expect(again.text == "1")
        #expect(again["message-id"] == frame["message-id"])
        #expect(again["redelivered"] == "true")
        try await second.stop()
    }

    @Test("A receipt for an ACK means that the item is gone for good") func durableAcknowledgement() async throws {
        let broker = try await BrokerHarness()
        let client = try await broker.stomp()
        try await client.subscribePlain(ack: "client")
        try await client.sendPlain("1", "2")
        try await client.settle("ACK", try await client.message())
        try await broker.crash()
        let second = try await BrokerHarness(directory: broker.directory)
        let other = try await second.stomp()
        try await other.subscribePlain(ack: "client")
        #expect(try await other.message().text == "2")
        try await second.stop()
    }
}
