// SPDX-License-Identifier: Apache-2.0
import Control
import QueueCore
import TestSupport
import Testing
import WorkerLink

@testable import Broker

@Suite struct DeadLetterTests {
    private func send(
        _ broker: BrokerHarness,
        queue: String,
        site: String,
        _ body: String,
        target: String = ""
    ) async throws {
        let client = try await broker.stomp()
        try await client.send(
            "SEND",
            [
                "destination": "/queue/statusnet/main", "site": site, "queue": queue, "target": target, "receipt": "r",
            ],
            body: body
        )
        try await client.receipt("r")
    }

    private func letters(_ broker: BrokerHarness) async throws -> [JSONValue] {
        try await broker.command("dead.list").result?["items"]?.array ?? []
    }

    @Test("Names that somebody made up make no series of metrics")
    func madeUpSeries() async throws {
        let broker = try await BrokerHarness()
        for number in 0..<3 {
            try await send(broker, queue: "out", site: "made-up-\(number)", "x")
            try await send(broker, queue: "made-up-\(number)", site: "alice", "x")
        }
        let samples = try await broker.command("metrics").result?.array ?? []
        let enqueued = samples.filter { $0["name"]?.string == "hostd_items_enqueued_total" }
        let found = enqueued.map { sample in
            let labels = sample["labels"]
            let count = Int(sample["value"]?.number ?? 0)
            return "\(labels?["queue"]?.string ?? "?") \(labels?["site"]?.string ?? "?") \(count)"
        }
        #expect(Set(found) == ["out  3", " alice 3"])
        #expect(try await letters(broker).count == 6)
        try await broker.stop()
    }

    @Test("An item of a site that was unknown runs once the site is there, by whichever name it came")
    func siteAdded() async throws {
        let broker = try await BrokerHarness()
        try await send(broker, queue: "out", site: "dora", "by nickname", target: "t")
        try await send(broker, queue: "out", site: "dora.example", "by server", target: "t")
        #expect(try await letters(broker).map { $0["reason"]?.string } == ["unknown-site", "unknown-site"])
        var configuration = broker.configuration
        configuration.sites.append(
            SiteEntry(
                nickname: SiteName(unchecked: "dora"),
                server: "dora.example",
                plugins: [PluginName(unchecked: "bench")]
            )
        )
        let changed = configuration
        try await broker.onLoop { $0.configure(changed) }
        let reply = try await broker.command("dead.requeue")
        #expect(reply.result?["count"]?.int == 2)
        #expect(reply.result?["refused"]?.int == 0)
        let worker = try await broker.worker()
        for wanted in ["by nickname", "by server"] {
            let item = try await worker.next()
            #expect(item.payload == wanted)
            #expect(item.delivered.site.rawValue == "dora")
            #expect(item.lane == "t")
            try await worker.end(item, Outcome(.done))
        }
        #expect(try await letters(broker).isEmpty)
        try await broker.stop()
    }

    @Test("One that would die again stays, with today's reason") func refusedAgain() async throws {
        let broker = try await BrokerHarness()
        try await send(broker, queue: "nothing", site: "nobody", "x")
        var configuration = broker.configuration
        configuration.sites.append(
            SiteEntry(nickname: SiteName(unchecked: "nobody"), server: "n.example", plugins: [])
        )
        let changed = configuration
        try await broker.onLoop { $0.configure(changed) }
        let reply = try await broker.command("dead.requeue")
        #expect(reply.result?["count"]?.int == 0)
        #expect(reply.result?["refused"]?.int == 1)
        let letter = try #require(try await letters(broker).first)
        #expect(letter["reason"]?.string == "no-handler")
        #expect(letter["text"]?.string?.contains("nothing") == true)
        try await broker.stop()
    }

    @Test("What a delete frame dropped can be requeued, and is delivered once") func dropped() async throws {
        let broker = try await BrokerHarness()
        try await send(broker, queue: "notice", site: "alice", WorkerQueueTests.notice)
        try await eventually("it is distributed") {
            try await broker.command("notice", ["notice": .string("42")]).result?["notices"]?.array?.count == 1
        }
        try await send(broker, queue: "notice", site: "alice", #"{"delete": "http://alice.example/notice/42"}"#)
        try await eventually("it is dropped") { try await letters(broker).count == 1 }
        #expect(try await broker.command("dead.requeue").result?["count"]?.int == 1)
        try await send(broker, queue: "stage", site: "alice", "the last")
        let worker = try await broker.worker()
        let item = try await worker.next()
        #expect(item.payload == WorkerQueueTests.notice)
        #expect(try await worker.next().payload == "the last")
        try await broker.stop()
    }

    @Test("Made-up queues and sites among the dead letters take no place among the live ones")
    func madeUp() async throws {
        let broker = try await BrokerHarness()
        let before = try await broker.onLoop { $0.dispatcher.lines.count }
        for number in 0..<10 { try await send(broker, queue: "queue\(number)", site: "site\(number)", "x") }
        #expect(try await letters(broker).count == 10)
        #expect(try await broker.onLoop { $0.dispatcher.lines.count } == before)
        try await broker.stop()
    }
}
