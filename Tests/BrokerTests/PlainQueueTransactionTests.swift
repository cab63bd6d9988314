// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import Broker

@Suite struct PlainQueueTransactionTests {
    @Test("An aborted transaction has sent and acknowledged nothing, a committed one all of it")
    func transactions() async throws {
        let broker = try await BrokerHarness()
        let client = try await broker.stomp()
        try await client.sendPlain("1")
        try await client.send(
            "BEGIN\ntransaction:t\n\n\0SEND\ndestination:\(StompTestClient.plainQueue)\ntransaction:t\n\nlost\0"
        )
        try await client.send("ABORT\ntransaction:t\nreceipt:a\n\n\0")
        try await client.receipt("a")
        try await client.subscribePlain(ack: "client-individual")
        let frame = try await client.message()
        #expect(frame.text == "1")
        try await client.send("BEGIN\ntransaction:t\n\n\0")
        try await client.send("SEND\ndestination:\(StompTestClient.plainQueue)\ntransaction:t\n\n2\0")
        try await client.settle("ACK", frame, more: "transaction:t\n")
        try await client.send("COMMIT\ntransaction:t\nreceipt:c\n\n\0")
        try await client.receipt("c")
        #expect(try await client.message().text == "2")
        try await client.drop()
        try await broker.settled()
        let other = try await broker.stomp()
        try await other.subscribePlain(ack: "client")
        #expect(try await other.message().text == "2")
        try await broker.stop()
    }

    @Test("What a transaction acknowledged stays its own after UNSUBSCRIBE") func unsubscribed() async throws {
        let broker = try await BrokerHarness()
        let client = try await broker.stomp()
        try await client.sendPlain("1", "2")
        try await client.subscribePlain(ack: "client-individual")
        let frame = try await client.message()
        _ = try await client.message()
        try await client.send("BEGIN\ntransaction:t\n\n\0")
        try await client.settle("ACK", frame, more: "transaction:t\n")
        try await client.send("UNSUBSCRIBE\nid:s\nreceipt:u\n\n\0")
        try await client.receipt("u")
        #expect(try await broker.claimed() == 1)
        try await client.send("COMMIT\ntransaction:t\nreceipt:c\n\n\0")
        try await client.receipt("c")
        try await client.subscribePlain(ack: "client")
        #expect(try await client.message().text == "2")
        try await broker.stop()
    }
}
