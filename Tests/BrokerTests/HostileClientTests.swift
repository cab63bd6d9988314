// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@testable import Broker

/// What a broken or ill-meaning client sends ends its own connection, with a sentence, and harms nobody else.
@Suite struct HostileClientTests {
    private static let connect = "CONNECT\naccept-version:1.2\nhost:h\n\n\0"
    private static let noise = String(repeating: "x", count: 4000)
    private static let endlessLine = "SEND\ndestination:" + String(repeating: "x", count: 100_000)
    private static let manyHeaders = "SEND\n" + String(repeating: "header:value\n", count: 200) + "\n\0"

    /// What is sent, and the `message` of the ERROR.
    private static let first: [(String, String)] = [
        ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "unknown command"),
        (noise, "unknown command"),
        ("SEND\ndestination:/queue/a\n\nbody\0", "not connected"),
        ("CONNECT\naccept-version:9.9\n\n\0", "unsupported version"),
    ]

    /// The same, behind a CONNECT.
    private static let later: [(String, String)] = [
        ("CONNECT\naccept-version:1.2\nhost:h\n\n\0", "already connected"),
        (endlessLine, "header line too long"),
        (manyHeaders, "too many headers"),
        ("SEND\ndestination:/queue/a\nx:\\q\n\nbody\0", "undefined escape"),
        ("SEND\ndestination:/queue/a\ncontent-length:-1\n\nbody\0", "bad content-length"),
        ("SEND\ndestination:/queue/a\ncontent-length:99999999999\n\nbody\0", "body too large"),
        ("SEND\ndestination:/queue/a\ncontent-length:2\n\nbody\0", "no NUL after the body"),
        ("SEND\n\nbody\0", "missing header"),
        ("SEND\ndestination:/queue/a\npriority:high\n\nbody\0", "bad header"),
        ("ACK\nid:1-1\n\n\0", "unknown message"),
        ("NACK\nid:nonsense\n\n\0", "unknown message"),
        ("UNSUBSCRIBE\nid:s\n\n\0", "unknown subscription"),
        ("COMMIT\ntransaction:t\n\n\0", "unknown transaction"),
        ("SUBSCRIBE\nid:s\ndestination:/queue/a\nack:maybe\n\n\0", "bad header"),
        ("MESSAGE\nid:s\n\n\0", "a server's command"),
    ]

    private func expectAlive(_ bystander: StompTestClient, _ receipt: String) async throws {
        try await bystander.send("SEND", ["destination": "/queue/alive", "receipt": receipt], body: "x")
        try await bystander.receipt(receipt)
    }

    @Test("Each gets an ERROR with a sentence, and is closed; another connection is unharmed")
    func refused() async throws {
        let broker = try await BrokerHarness()
        let bystander = try await broker.stomp()
        let streams = Self.first + Self.later.map { (Self.connect + $0.0, $0.1) }
        for (number, (bytes, message)) in streams.enumerated() {
            let client = try await StompTestClient.connect(port: try await broker.port())
            // The broker may close before it has read all: what can't be written any more isn't the question.
            try? await client.send(bytes)
            let error = try await client.frames.first("an ERROR") { $0.command == "ERROR" }
            #expect(error["message"] == message, "stream \(number)")
            #expect(error.text.count > 20)
            try await client.closed()
            try await expectAlive(bystander, "r\(number)")
        }
        try await broker.stop()
    }

    @Test("A subscriber's mistake, with items waiting for it, gives back what it holds")
    func subscribersMistake() async throws {
        let broker = try await BrokerHarness()
        let bystander = try await broker.stomp()
        for number in 0..<5 {
            try await bystander.send("SEND", ["destination": "/queue/a", "receipt": "\(number)"], body: "\(number)")
            try await bystander.receipt("\(number)")
        }
        let client = try await broker.stomp()
        try await client.send("SUBSCRIBE\nid:s\ndestination:/queue/a\nack:client\nprefetch-count:2\n\n\0")
        for _ in 0..<2 { #expect(try await client.frame().command == "MESSAGE") }
        try await client.send("ACK\nid:1-99\n\n\0")
        #expect(try await client.frame()["message"] == "unknown message")
        try await client.closed()
        try await bystander.send("SUBSCRIBE\nid:s\ndestination:/queue/a\nack:auto\n\n\0")
        let frames = try await bystander.frames.first(11, "frames")
        #expect(frames.filter { $0.command == "MESSAGE" }.map(\.text) == ["0", "1", "2", "3", "4"])
        try await broker.stop()
    }

    @Test("An old client's ACK of what isn't its own is ignored") func oldClient() async throws {
        let broker = try await BrokerHarness()
        let client = try await broker.stomp(version: nil)
        try await client.send("ACK\nmessage-id:17\nreceipt:a\n\n\0")
        try await client.receipt("a")
        try await expectAlive(client, "r")
        try await broker.stop()
    }

    @Test("A frame whose end never came isn't stored") func abruptEnd() async throws {
        let broker = try await BrokerHarness()
        for body in ["half", "half\n\n"] {
            let client = try await broker.stomp()
            try await client.send("SEND\ndestination:/queue/a\n\n\(body)")
            try await client.drop()
        }
        let other = try await broker.stomp()
        try await other.send("SUBSCRIBE\nid:s\ndestination:/queue/a\nack:auto\n\n\0")
        try await other.send("SEND", ["destination": "/queue/a"], body: "whole")
        #expect(try await other.frame().text == "whole")
        try await broker.stop()
    }

    @Test("All hostile streams of the fixtures, over the port") func fixtures() async throws {
        let broker = try await BrokerHarness()
        let bystander = try await broker.stomp()
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Fixtures/stomp")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".stomp") }
        try #require(!files.isEmpty)
        for file in files.sorted() {
            let client = try await StompTestClient.connect(port: try await broker.port())
            let bytes = Array(Self.connect.utf8) + (try Data(contentsOf: folder.appending(path: file)))
            try? await client.send(bytes: bytes)
            let error = try await client.frames.first("an ERROR for \(file)") { $0.command == "ERROR" }
            #expect(!error.text.isEmpty, "\(file)")
            try await client.closed()
            try await expectAlive(bystander, file)
        }
        try await broker.stop()
    }
}
