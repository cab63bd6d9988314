// SPDX-License-Identifier: Apache-2.0
import Control
import QueueCore
import TestSupport
import Testing
import WorkerLink

@testable import Broker

/// Targets' lanes between memory and store.
@Suite struct LaneTests {
    private let clock = VirtualBrokerClock()

    private func send(
        _ broker: BrokerHarness,
        _ bodies: some Sequence<Int>,
        queue: String = "out",
        site: String = "alice"
    ) async throws {
        let client = try await broker.stomp()
        for body in bodies {
            try await client.send(
                "SEND",
                [
                    "destination": "/queue/statusnet/main", "site": site, "queue": queue, "target": "t",
                    "receipt": "\(body)",
                ],
                body: "\(body)"
            )
            try await client.receipt("\(body)")
        }
    }

    private func take(_ count: Int, _ worker: FakeWorker) async throws -> [FakeWorker.Item] {
        var items: [FakeWorker.Item] = []
        for _ in 0..<count { items.append(try await worker.next()) }
        return items
    }

    private let refused = Outcome(.retry, reason: .network, text: "refused")

    @Test("What waited for a target when its circuit opened isn't tried, nor what comes later")
    func shut() async throws {
        let broker = try await BrokerHarness(clock: clock)
        try await send(broker, 0..<40)
        // No more room than the lane's first concurrency: the others wait in the window.
        let worker = try await broker.worker([("out", 5)])
        try await worker.end(try await take(5, worker), refused)
        try await broker.settled()
        try await send(broker, 40..<45)
        try await send(broker, [100], site: "bob")
        #expect(try await worker.next().payload == "100")
        try await broker.settled(claimed: 1)
        #expect(worker.items.all.count == 6)
        let lane = try await broker.command("status").result?["lanes"]?.array?.first
        // Four of the five wait by themselves, until their time comes; the fifth opened the circuit.
        #expect(lane?["waiting"]?.int == 41)
        try await broker.stop()
    }

    @Test("Probes take turns, so that one item doesn't stand for its target") func probes() async throws {
        let broker = try await BrokerHarness(clock: clock)
        try await send(broker, 0..<5)
        let worker = try await broker.worker([("out", 5)])
        try await worker.end(try await take(5, worker), refused)
        var probed: [String] = []
        for _ in 0..<5 {
            try await broker.settled()
            try await broker.advance(clock, ms: 3_700_000)
            let probe = try await worker.next()
            probed.append(probe.payload)
            try await worker.end(probe, refused)
        }
        #expect(Set(probed).count == 5)
        try await broker.stop()
    }

    @Test("A lane whose items all ended while it was shut is forgotten, not woken for ever")
    func nothingLeft() async throws {
        let broker = try await BrokerHarness(clock: clock) { $0.expiresMs = 1000 }
        try await send(broker, 0..<5)
        let worker = try await broker.worker([("out", 5)])
        try await worker.end(try await take(5, worker), refused)
        try await broker.settled()
        try await broker.advance(clock, ms: 3_700_000)
        try await eventually("all have expired") {
            try await broker.command("dead.list").result?["items"]?.array?.count == 5
        }
        try await eventually("the lane's row is gone") {
            try await broker.command("status").result?["lanes"]?.array?.isEmpty == true
        }
        #expect(worker.items.all.count == 5)
        try await send(broker, [7])
        #expect(try await worker.next().payload == "7")
        try await broker.stop()
    }

    @Test("An ordered lane keeps its order when a worker gives back what it holds")
    func orderedGiveBack() async throws {
        let broker = try await BrokerHarness(clock: clock)
        try await send(broker, 0..<30, queue: "ordered")
        let worker = try await broker.worker([("ordered", 8)])
        for wanted in 0..<30 {
            let item = try await worker.next()
            #expect(item.payload == "\(wanted)")
            if wanted % 3 == 0 {
                try await worker.end(item, Outcome(.giveBack))
                let again = try await worker.next()
                #expect(again.payload == "\(wanted)")
                try await worker.end(again, Outcome(.done))
            } else {
                try await worker.end(item, Outcome(.done))
            }
        }
        try await broker.stop()
    }

    @Test("A backlog in the store goes out in order, each item once, also where its outcomes race the reading")
    func backlog() async throws {
        let broker = try await BrokerHarness(clock: clock)
        let worker = try await broker.worker([("out", 64)])
        try await send(broker, 0..<400)
        var seen: [String] = []
        var held: [FakeWorker.Item] = []
        while seen.count < 400 {
            let item = try await worker.next()
            seen.append(item.payload)
            held.append(item)
            // One stays in flight all the time, and ends behind others.
            if held.count > 1 { try await worker.end(held.removeFirst(), Outcome(.done)) }
        }
        try await worker.end(held, Outcome(.done))
        try await broker.settled()
        #expect(seen == (0..<400).map(String.init))
        #expect(worker.items.all.count == 400)
        try await broker.stop()
    }

    @Test("A hold keeps a lane back, or a whole queue of a site; 0 lets it go on, a shut lane too")
    func holds() async throws {
        let broker = try await BrokerHarness(clock: clock)
        let worker = try await broker.worker([("out", 5)])
        let (alice, out) = (SiteName(unchecked: "alice"), QueueName(unchecked: "out"))
        try await send(broker, 0..<5)
        try await worker.end(try await take(5, worker), refused)
        try await broker.settled()
        try await worker.send(.hold(site: alice, queue: out, lane: "t", ms: 0, text: "retry now"))
        let probe = try await worker.next()
        try await worker.send(.hold(site: alice, queue: out, lane: "", ms: 60_000, text: "rate limit"))
        try await worker.end(probe, Outcome(.done))
        try await broker.settled()
        try await send(broker, [100], site: "bob")
        let bobs = try await worker.next()
        #expect(bobs.payload == "100")
        try await worker.end(bobs, Outcome(.done))
        try await broker.advance(clock, ms: 60_000)
        var rest: Set<String> = [probe.payload]
        for _ in 0..<4 {
            let item = try await worker.next()
            rest.insert(item.payload)
            try await worker.end(item, Outcome(.done))
        }
        #expect(rest == ["0", "1", "2", "3", "4"])
        try await broker.stop()
    }

    @Test("A retry of an item that was deleted while it was claimed frees its place in the lane")
    func deleted() async throws {
        let broker = try await BrokerHarness(clock: clock)
        let client = try await broker.stomp()
        let worker = try await broker.worker([("stage", 1), ("out", 5)])
        try await client.send(
            "SEND",
            ["destination": "/queue/statusnet/main", "site": "alice", "queue": "notice", "receipt": "n"],
            body: WorkerQueueTests.notice
        )
        try await client.receipt("n")
        let staged = (0..<5).map { number in
            var item = NewItem(queue: QueueName(unchecked: "out"), payload: Array("\(number)".utf8))
            item.target = "t"
            return item
        }
        try await worker.end(try await worker.next(), Outcome(.done), staging: staged)
        let items = try await take(5, worker)
        try await client.send(
            "SEND",
            ["destination": "/queue/statusnet/main", "site": "alice", "queue": "notice", "receipt": "d"],
            body: #"{"delete": "http://alice.example/notice/42"}"#
        )
        try await client.receipt("d")
        try await eventually("they are dropped") {
            try await broker.command("dead.list").result?["items"]?.array?.count == 5
        }
        try await worker.end(items, Outcome(.retry, reason: .other))
        try await broker.settled()
        #expect(try await broker.onLoop { $0.dispatcher.buried.isEmpty })
        try await broker.advance(clock, ms: 4_000_000)
        try await send(broker, 10..<15)
        #expect(try await take(5, worker).map(\.payload) == ["10", "11", "12", "13", "14"])
        #expect(try await broker.command("dead.list").result?["items"]?.array?.count == 5)
        try await broker.stop()
    }

    @Test(
        "A target that is down gets one probe at a time, which charges nobody, and its items in order when it is back"
    )
    func outage() async throws {
        let broker = try await BrokerHarness(clock: clock) { $0.maxRetries = 1 }
        let worker = try await broker.worker()
        let client = try await broker.stomp()
        for number in 0..<12 {
            try await client.send(
                "SEND",
                [
                    "destination": "/queue/statusnet/main", "site": "alice", "queue": "out", "target": "t",
                    "receipt": "\(number)",
                ],
                body: "\(number)"
            )
            _ = try await client.receipt("\(number)")
        }
        // Five are in flight together: their failure counts as one, and opens the circuit.
        var flight: [FakeWorker.Item] = []
        for _ in 0..<5 { flight.append(try await worker.next()) }
        // In one message: between two of them the lane, still closed, would start another.
        try await worker.end(flight, Outcome(.retry, reason: .network, text: "refused"))
        for _ in 0..<20 {
            try await broker.settled()
            // The longest backoff: whatever was drawn has passed.
            try await broker.advance(clock, ms: 4_000_000)
            let probe = try await worker.next()
            try await worker.end(probe, Outcome(.retry, reason: .network, text: "refused"))
        }
        try await broker.settled()
        #expect(try await broker.command("dead.list").result?["items"]?.array?.isEmpty == true)
        let lanes = try await broker.command("status").result?["lanes"]?.array
        #expect(lanes?.count == 1)
        #expect(lanes?.first?["reason"]?.string == "refused")
        try await broker.advance(clock, ms: 4_000_000)
        var order: [Int] = []
        for _ in 0..<12 {
            let item = try await worker.next()
            order.append(try #require(Int(item.payload)))
            try await worker.end(item, Outcome(.done))
        }
        // The first was the probe.
        #expect(order.dropFirst().elementsEqual(order.dropFirst().sorted()))
        #expect(Set(order).count == 12)
        try await broker.stop()
    }

    @Test("An ordered queue has one in flight per lane, in order, also over a retry") func ordered() async throws {
        let broker = try await BrokerHarness(clock: clock)
        let worker = try await broker.worker()
        let client = try await broker.stomp()
        for number in 0..<20 {
            try await client.send(
                "SEND",
                [
                    "destination": "/queue/statusnet/main", "site": "alice", "queue": "ordered", "target": "t",
                    "receipt": "\(number)",
                ],
                body: "\(number)"
            )
            _ = try await client.receipt("\(number)")
        }
        var order: [String] = []
        var hasFailed = false
        while order.count < 20 {
            let item = try await worker.next()
            #expect(item.payload == "\(order.count)")
            if item.payload == "7", !hasFailed {
                hasFailed = true
                var outcome = Outcome(.retry, reason: .other)
                outcome.delayMs = 5
                try await worker.end(item, outcome)
                try await broker.settled()
                try await broker.advance(clock, ms: 10)
                continue
            }
            order.append(item.payload)
            try await worker.end(item, Outcome(.done))
        }
        try await broker.stop()
    }
}
