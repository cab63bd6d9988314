// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import Broker

private let newsTopic = "/topic/news"
private let controlTopic = "/topic/statusnet-control"

@Suite struct TopicTests {
    private func subscribe(
        _ client: StompTestClient,
        to topic: String = newsTopic,
        ack: String = "auto"
    ) async throws {
        try await client.send("SUBSCRIBE\nid:s\ndestination:\(topic)\nack:\(ack)\nprefetch-count:1\nreceipt:s\n\n\0")
        #expect(try await client.frame().command == "RECEIPT")
    }

    private func publish(_ client: StompTestClient, _ body: String, to topic: String = newsTopic) async throws {
        let receipt = body.filter { $0 != ":" }
        try await client.send("SEND", ["destination": topic, "receipt": receipt], body: body)
        try await client.receipt(receipt)
    }

    @Test("What is sent to a topic goes to all who listen, and to nobody later") func broadcast() async throws {
        let broker = try await BrokerHarness()
        let listeners = [try await broker.stomp(), try await broker.stomp(version: "1.1")]
        for listener in listeners { try await subscribe(listener) }
        let producer = try await broker.stomp()
        try await publish(producer, "1")
        for listener in listeners {
            let frame = try await listener.frame()
            #expect(frame.command == "MESSAGE")
            #expect(frame["destination"] == newsTopic)
            #expect(frame.text == "1")
        }
        try await subscribe(producer)
        try await publish(producer, "2")
        #expect(producer.frames.all.filter { $0.command == "MESSAGE" }.map(\.text) == ["2"])
        try await broker.stop()
    }

    @Test("A listener that acknowledges nothing misses what it has no room for; one that left is forgotten")
    func bounded() async throws {
        let broker = try await BrokerHarness()
        let listener = try await broker.stomp()
        try await subscribe(listener, ack: "client")
        let producer = try await broker.stomp()
        for number in 0..<5 { try await publish(producer, "\(number)") }
        try await listener.send("UNSUBSCRIBE\nid:s\nreceipt:u\n\n\0")
        try await listener.receipt("u")
        #expect(listener.frames.all.filter { $0.command == "MESSAGE" }.map(\.text) == ["0"])
        try await publish(producer, "nobody hears it")
        try await broker.stop()
    }

    @Test(
        "Words on either control topic are commands to the supervisor",
        arguments: [controlTopic, "/topic/statusnet/control"]
    )
    func control(_ topic: String) async throws {
        let broker = try await BrokerHarness()
        let client = try await broker.stomp()
        for word in ["restart", "update:alice", "shutdown"] { try await publish(client, word, to: topic) }
        #expect(broker.commands.all == ["restart", "update alice", "stop"])
        try await broker.stop()
    }

    @Test("Unknown words, and words on other topics, are ignored") func unknownWords() async throws {
        let broker = try await BrokerHarness()
        let client = try await broker.stomp()
        for word in ["", "explode", "update", "SHUTDOWN", "restarted"] {
            try await client.send("SEND", ["destination": controlTopic, "receipt": "r\(word)"], body: word)
            try await client.receipt("r\(word)")
        }
        try await publish(client, "shutdown")
        #expect(broker.commands.all.isEmpty)
        try await broker.stop()
    }
}
