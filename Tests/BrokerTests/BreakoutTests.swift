// SPDX-License-Identifier: Apache-2.0
import Control
import QueueCore
import TestSupport
import Testing
import WorkerLink

@testable import Broker

/// Workers that serve a queue for some sites only, and processes with several links.
@Suite struct BreakoutTests {
    private static let alice = SiteName(unchecked: "alice")
    private static let out = QueueName(unchecked: "out")

    private static func credit(_ sites: SiteScope) -> QueueCredit { QueueCredit(queue: out, credit: 64, sites: sites) }

    private func worker(
        _ broker: BrokerHarness,
        _ queues: [QueueCredit],
        pid: Int32,
        plugin: String = "bench"
    ) async throws -> FakeWorker {
        let worker = try await FakeWorker(path: broker.configuration.workerSocket, group: broker.group)
        try await worker.hello(queues, journal: broker.journalPath(pid) + plugin, pid: pid, plugin: plugin)
        return worker
    }

    private func send(_ client: StompTestClient, _ body: String, site: String, queue: String = "out") async throws {
        try await client.send(
            "SEND",
            ["destination": "/queue/statusnet/main", "site": site, "queue": queue, "receipt": body],
            body: body
        )
        try await client.receipt(body)
    }

    @Test("A worker of one site takes that site's items only, the others take the rest")
    func scopes() async throws {
        let broker = try await BrokerHarness()
        let mine = try await worker(broker, [Self.credit(.only(Self.alice))], pid: 5_000_001)
        let others = try await worker(broker, [Self.credit(.except([Self.alice]))], pid: 5_000_002)
        let client = try await broker.stomp()
        for number in 0..<4 { try await send(client, "\(number)", site: number % 2 == 0 ? "alice" : "bob") }
        #expect([try await mine.next().payload, try await mine.next().payload] == ["0", "2"])
        #expect([try await others.next().payload, try await others.next().payload] == ["1", "3"])
        try await broker.stop()
    }

    @Test("What waits is carried over to whom a changed breakout gives it, and back")
    func carriedOver() async throws {
        let broker = try await BrokerHarness()
        // So little credit that the rest waits.
        let small = QueueCredit(queue: Self.out, credit: 1)
        let old = try await worker(broker, [small], pid: 5_000_001)
        let client = try await broker.stomp()
        for number in 0..<3 { try await send(client, "\(number)", site: "alice") }
        let first = try await old.next()
        try await old.send(.serve([QueueCredit(queue: Self.out, credit: 1, sites: .except([Self.alice]))]))
        let new = try await worker(broker, [Self.credit(.only(Self.alice))], pid: 5_000_002)
        let carried = [try await new.next(), try await new.next()]
        #expect(carried.map(\.payload) == ["1", "2"])
        try await new.end(carried, Outcome(.done))
        try await old.end(first, Outcome(.done))
        try await broker.settled()
        try await new.send(.serve([]))
        try await serving(1, broker)
        try await old.send(.serve([small]))
        try await send(client, "3", site: "alice")
        #expect(try await old.next().payload == "3")
        try await broker.stop()
    }

    @Test("A singleton's items of a site are with one worker at a time, also while two serve the queue")
    func singleton() async throws {
        let broker = try await BrokerHarness { configuration in
            configuration.plugins[0].descriptor?.handlers[1].isSingleton = true
        }
        let small = QueueCredit(queue: Self.out, credit: 1)
        let old = try await worker(broker, [small], pid: 5_000_001)
        let client = try await broker.stomp()
        try await send(client, "0", site: "alice")
        let first = try await old.next()
        let new = try await worker(broker, [Self.credit(.all)], pid: 5_000_002)
        try await send(client, "1", site: "alice")
        try await send(client, "2", site: "bob")
        // The other site is free: what came before it would have gone there, were it not held.
        #expect(try await new.next().payload == "2")
        try await old.send(.serve([]))
        try await serving(1, broker)
        try await old.end(first, Outcome(.done))
        #expect(try await new.next().payload == "1")
        try await broker.stop()
    }

    /// Waits until so many serve the queue: its name is looked up in the store first, and what ends before that may be
    /// followed by the next item.
    private func serving(_ count: Int, _ broker: BrokerHarness) async throws {
        try await eventually("\(count) to serve the queue") {
            try await broker.onLoop { $0.dispatcher.linesByName["out"]?.consumers.count } == count
        }
    }

    // MARK: Several links of one process

    /// A process with a link for each of two plugins dies; each has one item in a handler, "a" and "b".
    private func death(in broker: BrokerHarness, insideFirst: Bool) async throws {
        let pid: Int32 = 5_000_001
        let other = QueueCredit(queue: QueueName(unchecked: "ordered"), credit: 4)
        let first = try await worker(broker, [Self.credit(.all)], pid: pid)
        let second = try await worker(broker, [other], pid: pid, plugin: "second")
        let client = try await broker.stomp()
        try await send(client, "a", site: "alice")
        try await send(client, "b", site: "alice", queue: "ordered")
        let items = [try await first.next(), try await second.next()]
        for (item, plugin) in zip(items, ["bench", "second"]) {
            let journal = try InFlightJournal(path: broker.journalPath(pid) + plugin, slots: 8)
            journal.enter(slot: 0, delivery: item.delivered.id)
            if insideFirst, plugin == "bench" { journal.setInside(item.delivered.id) }
        }
        try await first.close()
        try await broker.exited(pid: pid, cause: "signal 11")
        try await second.close()
        try await broker.settled()
    }

    @Test("Where the items of two plugins were in handlers, both are suspects: neither is charged, each runs alone")
    func sharedBlame() async throws {
        let broker = try await BrokerHarness()
        try await death(in: broker, insideFirst: false)
        let next = try await broker.worker(isHunter: true)
        let suspect = try await next.next()
        try await broker.settled(claimed: 1)
        #expect(next.items.all.count == 1)
        try await next.end(suspect, Outcome(.done))
        let other = try await next.next()
        #expect([suspect.payload, other.payload].sorted() == ["a", "b"])
        #expect(suspect.delivered.kills == 0 && other.delivered.kills == 0)
        try await broker.stop()
    }

    @Test("Where one plugin's handler was running, its item is the suspect and the other plugin's is none")
    func oneInside() async throws {
        let broker = try await BrokerHarness()
        try await death(in: broker, insideFirst: true)
        let next = try await broker.worker()
        let innocent = try await next.next()
        #expect(innocent.payload == "b" && innocent.delivered.kills == 0)
        try await next.end(innocent, Outcome(.done))
        let hunter = try await broker.worker(pid: 5_000_003, isHunter: true)
        let suspect = try await hunter.next()
        #expect(suspect.payload == "a" && suspect.delivered.kills == 0)
        #expect(next.items.all.count == 1)
        try await broker.stop()
    }
}
