// SPDX-License-Identifier: Apache-2.0
import Control
import QueueCore
import TestSupport
import Testing

@testable import Broker

@Suite struct PauseTests {
    private func send(_ broker: BrokerHarness, site: String, _ body: String) async throws {
        let client = try await broker.stomp()
        try await client.send(
            "SEND",
            ["destination": "/queue/statusnet/main", "site": site, "queue": "out", "receipt": "r"],
            body: body
        )
        try await client.receipt("r")
    }

    private func change(_ broker: BrokerHarness, _ command: String, site: String? = nil) async throws -> String? {
        var arguments: [String: JSONValue] = ["queue": .string("out")]
        if let site { arguments["site"] = .string(site) }
        return try await broker.command(command, arguments).error
    }

    @Test("A paused queue goes on accepting, before its first item and over a crash, until it is resumed")
    func persistence() async throws {
        let broker = try await BrokerHarness()
        #expect(try await change(broker, "pause") == nil)
        try await send(broker, site: "alice", "x")
        try await broker.crash()
        let second = try await BrokerHarness(directory: broker.directory)
        let worker = try await second.worker()
        try await eventually("the worker is known") {
            try await second.onLoop { $0.dispatcher.linesByName["out"]?.consumers.count } == 1
        }
        try await second.settled()
        #expect(worker.items.all.isEmpty)
        let queues = try await second.command("status").result?["queues"]?.array
        let row = queues?.first { $0["queue"]?.string == "out" }
        #expect(row?["paused"]?.bool == true)
        #expect(row?["ready"]?.int == 1)
        #expect(try await change(second, "resume") == nil)
        #expect(try await worker.next().payload == "x")
        try await second.stop()
    }

    @Test("One site can be paused alone; a queue that is paused for all isn't resumed for one")
    func site() async throws {
        let broker = try await BrokerHarness()
        let worker = try await broker.worker()
        #expect(try await change(broker, "pause", site: "alice.example") == nil)
        try await send(broker, site: "alice", "alice's")
        try await send(broker, site: "bob", "bob's")
        #expect(try await worker.next().payload == "bob's")
        #expect(try await change(broker, "pause") == nil)
        #expect(try await change(broker, "resume", site: "bob")?.contains("all sites") == true)
        #expect(try await change(broker, "resume") == nil)
        #expect(try await worker.next().payload == "alice's")
        try await broker.stop()
    }

    @Test("A queue that nobody handles, and a site that isn't configured, are told") func unknown() async throws {
        let broker = try await BrokerHarness()
        #expect(try await broker.command("pause", ["queue": .string("nothing")]).error != nil)
        #expect(try await change(broker, "pause", site: "nobody")?.contains("nobody") == true)
        try await broker.stop()
    }
}
