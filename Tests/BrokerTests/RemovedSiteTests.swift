// SPDX-License-Identifier: Apache-2.0
import Control
import QueueCore
import TestSupport
import Testing
import WorkerLink

@testable import Broker

/// A site that is taken out of the configuration: what was accepted for it waits.
@Suite struct RemovedSiteTests {
    private static let bob = SiteName(unchecked: "bob")

    private func send(_ broker: BrokerHarness, queue: String, _ body: String, site: String = "bob") async throws {
        let client = try await broker.stomp()
        try await client.send(
            "SEND",
            ["destination": "/queue/statusnet/main", "site": site, "queue": queue, "receipt": "r"],
            body: body
        )
        try await client.receipt("r")
    }

    private func letters(_ broker: BrokerHarness) async throws -> [JSONValue] {
        try await broker.command("dead.list").result?["items"]?.array ?? []
    }

    private func remove(_ broker: BrokerHarness) async throws {
        try await broker.onLoop { $0.change(SitesChange(removed: [Self.bob])) }
    }

    private func bringBack(_ broker: BrokerHarness, plugins: [String] = ["bench"]) async throws {
        let entry = SiteEntry(
            nickname: Self.bob,
            server: "bob.example",
            plugins: plugins.map { PluginName(unchecked: $0) }
        )
        try await broker.onLoop { $0.change(SitesChange(changed: [entry])) }
    }

    @Test("Its items wait, also from a worker that knows nothing of it, and go out when it is back")
    func waits() async throws {
        let broker = try await BrokerHarness()
        for queue in ["notice", "out"] {
            #expect(try await broker.command("pause", ["queue": .string(queue)]).error == nil)
        }
        try await send(broker, queue: "notice", WorkerQueueTests.notice)
        try await send(broker, queue: "out", "bob's")
        try await remove(broker)
        let worker = try await broker.worker()
        for queue in ["notice", "out"] {
            #expect(try await broker.command("resume", ["queue": .string(queue)]).error == nil)
        }
        try await send(broker, queue: "out", "alice's", site: "alice")
        #expect(try await worker.next().payload == "alice's")
        #expect(try await letters(broker).isEmpty)
        let rows = try await broker.command("status").result?["queues"]?.array ?? []
        let row = rows.first { $0["queue"]?.string == "out" && $0["site"]?.string == "bob" }
        #expect(row?["ready"]?.int == 1)
        #expect(row?["configured"]?.bool == false)
        try await bringBack(broker)
        #expect(
            Set([try await worker.next().payload, try await worker.next().payload]) == [
                "bob's", WorkerQueueTests.notice,
            ]
        )
        try await broker.stop()
    }

    @Test("A queue whose plugin the site gives up waits as well")
    func pluginOff() async throws {
        let broker = try await BrokerHarness()
        try await send(broker, queue: "out", "bob's")
        try await bringBack(broker, plugins: [])
        let worker = try await broker.worker()
        try await send(broker, queue: "out", "alice's", site: "alice")
        #expect(try await worker.next().payload == "alice's")
        try await bringBack(broker)
        #expect(try await worker.next().payload == "bob's")
        try await broker.stop()
    }

    @Test("What a handler makes for a site that was removed while it ran waits too; a producer's item is refused")
    func staged() async throws {
        let broker = try await BrokerHarness()
        let worker = try await broker.worker()
        try await send(broker, queue: "stage", "expand")
        let item = try await worker.next()
        try await remove(broker)
        try await worker.end(
            item,
            Outcome(.done),
            staging: [NewItem(queue: QueueName(unchecked: "out"), payload: Array("staged".utf8))]
        )
        try await broker.settled()
        #expect(try await letters(broker).isEmpty)
        try await send(broker, queue: "out", "too late")
        #expect(try await letters(broker).map { $0["reason"]?.string } == ["unknown-site"])
        try await bringBack(broker)
        #expect(try await worker.next().payload == "staged")
        try await broker.stop()
    }

    @Test(
        "It is dropped by a command, not while the site is configured; what is dropped stays away, what comes later not"
    )
    func drop() async throws {
        let broker = try await BrokerHarness()
        for number in 0..<3 { try await send(broker, queue: "out", "\(number)") }
        let arguments: [String: JSONValue] = ["site": .string("bob")]
        let refusal = try #require(try await broker.command("site.drop", arguments).error)
        #expect(refusal.hasPrefix("site bob is configured: "))
        try await remove(broker)
        let dry = try await broker.command("site.drop", arguments.merging(["dry_run": .bool(true)]) { $1 })
        #expect(dry.result?["count"]?.int == 3)
        #expect(try await broker.command("site.drop", arguments).result?["count"]?.int == 3)
        #expect(try await broker.command("site.drop", arguments).result?["count"]?.int == 0)
        #expect(try await letters(broker).isEmpty)
        try await bringBack(broker)
        try await send(broker, queue: "out", "new")
        let worker = try await broker.worker()
        #expect(try await worker.next().payload == "new")
        #expect(worker.items.all.count == 1)
        try await broker.stop()
    }

    @Test("What was dropped leaves memory at once: what waited in its queue, in its lane, and as a suspect")
    func dropFreesMemory() async throws {
        let broker = try await BrokerHarness()
        // An ordered lane: one is tried alone, and the others wait behind it in memory.
        for number in 0..<4 {
            let client = try await broker.stomp()
            try await client.send(
                "SEND",
                [
                    "destination": "/queue/statusnet/main", "site": "bob", "queue": "ordered", "target": "t",
                    "receipt": "\(number)",
                ],
                body: "\(number)"
            )
            try await client.receipt("\(number)")
        }
        for number in 0..<50 { try await send(broker, queue: "out", "\(number)") }
        let pid: Int32 = 5_000_001
        let worker = try await broker.worker([("ordered", 64)], pid: pid)
        let journal = try InFlightJournal(path: broker.journalPath(pid), slots: 8)
        journal.enter(slot: 0, delivery: try await worker.next().delivered.id)
        try await worker.close()
        try await broker.exited(pid: pid, cause: "signal 11")
        #expect(try await broker.hunted.next() == ["bench"])
        try await broker.settled()
        let isInMemory: @Sendable (BrokerCore) -> Int = { core in
            core.dispatcher.lines.values.flatMap(\.sources.values).reduce(0) { $0 + $1.waiting }
                + core.dispatcher.lanes.values.reduce(0) { $0 + $1.pending.count + $1.active.count }
        }
        #expect(try await broker.onLoop(isInMemory) >= 50)
        try await remove(broker)
        #expect(try await broker.command("site.drop", ["site": .string("bob")]).result?["count"]?.int == 54)
        #expect(try await broker.onLoop(isInMemory) == 0)
        #expect(try await broker.onLoop { $0.dispatcher.buried.isEmpty })
        #expect(try await broker.hunted.next().isEmpty)
        let rows = try await broker.command("status").result?["queues"]?.array ?? []
        #expect(!rows.contains { $0["site"]?.string == "bob" })
        // Back again, it works as any other.
        try await bringBack(broker)
        try await send(broker, queue: "out", "new")
        #expect(try await broker.worker().next().payload == "new")
        try await broker.stop()
    }

    @Test("Not while something of it is in flight")
    func dropInFlight() async throws {
        let broker = try await BrokerHarness()
        let worker = try await broker.worker()
        try await send(broker, queue: "out", "x")
        let item = try await worker.next()
        try await remove(broker)
        #expect(
            try await broker.command("site.drop", ["site": .string("bob")]).error?.hasPrefix("1 item is still") == true
        )
        try await worker.end(item, Outcome(.done))
        try await broker.settled()
        #expect(try await broker.command("site.drop", ["site": .string("bob")]).result?["count"]?.int == 0)
        try await broker.stop()
    }
}
