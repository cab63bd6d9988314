// SPDX-License-Identifier: Apache-2.0
import Control
import QueueCore
import TestSupport
import Testing
import WorkerLink

@testable import Broker

/// The broker between a producer that speaks STOMP and a worker that does what it is told.
@Suite struct WorkerQueueTests {
    static let notice = """
        {"id": 42, "uri": "http://alice.example/notice/42", "content": "Hello", "author": {"uri": "http://alice.example/user/7"}}
        """

    private func send(
        _ client: StompTestClient,
        queue: String,
        _ body: String,
        site: String = "alice",
        receipt: String = "r"
    ) async throws {
        try await client.send(
            "SEND",
            ["destination": "/queue/statusnet/main", "site": site, "queue": queue, "receipt": receipt],
            body: body
        )
        _ = try await client.receipt(receipt)
    }

    @Test("A notice goes to the stage-1 queue, is expanded, and each target is delivered") func fanOut() async throws {
        let broker = try await BrokerHarness()
        let worker = try await broker.worker()
        let client = try await broker.stomp()
        try await send(client, queue: "notice", Self.notice)
        let first = try await worker.next()
        #expect(first.delivered.queue.rawValue == "stage")
        #expect(first.payload == Self.notice)
        var staged: [NewItem] = []
        for number in 0..<3 {
            var item = NewItem(queue: QueueName(unchecked: "out"), payload: Array("p\(number)".utf8))
            item.shared = Array("body".utf8)
            item.target = "http://r.example/\(number)"
            staged.append(item)
        }
        var outcome = Outcome(.continue)
        outcome.cursor = Array("c1".utf8)
        try await worker.end(first, outcome, staging: staged)
        var seen: [String] = []
        var again: FakeWorker.Item?
        for _ in 0..<4 {
            let item = try await worker.next()
            if item.delivered.queue.rawValue == "stage" {
                #expect(item.cursor == "c1")
                again = item
            } else {
                #expect(item.shared == "body")
                #expect(item.delivered.attempt == 1)
                seen.append(item.payload)
                try await worker.end(item, Outcome(.done))
            }
        }
        #expect(seen == ["p0", "p1", "p2"])
        try await worker.end(try #require(again), Outcome(.done))
        try await eventually("the notice is delivered") {
            let reply = try await broker.command("notice", ["notice": .string("42")])
            let targets = reply.result?["notices"]?.array?.first?["targets"]
            return targets?["delivered"]?.int == 3 && targets?["waiting"]?.int == 0
        }
        try await broker.stop()
    }

    @Test("What was claimed when the broker died is ready again, and may be a duplicate")
    func brokerDies() async throws {
        let broker = try await BrokerHarness()
        let worker = try await broker.worker()
        let client = try await broker.stomp()
        try await send(client, queue: "out", "x")
        #expect(!(try await worker.next()).delivered.flags.contains(.maybeDuplicate))
        try await broker.crash()
        let second = try await BrokerHarness(directory: broker.directory)
        let again = try await second.worker()
        let item = try await again.next()
        #expect(item.payload == "x")
        #expect(item.delivered.flags.contains(.maybeDuplicate))
        #expect(item.delivered.attempt == 1)
        try await again.end(item, Outcome(.done))
        try await second.stop()
    }

    @Test("An item for an unknown site, or a queue that nobody handles, is a dead letter with that reason")
    func unknown() async throws {
        let broker = try await BrokerHarness()
        let client = try await broker.stomp()
        try await send(client, queue: "out", "1", site: "nobody")
        try await send(client, queue: "nothing", "2")
        try await send(client, queue: "out", "3", site: "carol")
        try await send(client, queue: "notice", "not json")
        try await send(client, queue: "notice", "{\"uri\": \"u\"}")
        try await eventually("five dead letters") {
            try await broker.command("dead.list").result?["items"]?.array?.count == 5
        }
        let letters = try await broker.command("dead.list").result?["items"]?.array ?? []
        #expect(
            letters.map { $0["reason"]?.string } == [
                "unknown-site", "no-handler", "no-handler", "bad-frame", "bad-frame",
            ]
        )
        #expect(letters.first?["text"]?.string?.contains("nobody") == true)
        let shown = try await broker.command("dead.show", ["id": letters.last?["id"] ?? .null])
        #expect(shown.result?["frame"]?.string == "{\"uri\": \"u\"}")
        let dropped = try await broker.command("dead.drop", ["reason": .string("bad-frame")])
        #expect(dropped.result?["count"]?.int == 2)
        try await broker.stop()
    }

    @Test("A retry uses up attempts until the item is a dead letter, and a requeue gives them back")
    func retries() async throws {
        let clock = VirtualBrokerClock()
        let broker = try await BrokerHarness(clock: clock) { $0.maxRetries = 2 }
        let worker = try await broker.worker()
        let client = try await broker.stomp()
        try await send(client, queue: "out", "x")
        var outcome = Outcome(.retry, reason: .other, text: "no luck")
        outcome.delayMs = 1
        for attempt in 1...3 {
            let item = try await worker.next()
            #expect(item.delivered.attempt == attempt)
            #expect(item.delivered.flags.contains(.lastTry) == (attempt == 3))
            try await worker.end(item, outcome)
            try await broker.settled()
            try await broker.advance(clock, ms: 10)
        }
        try await eventually("a dead letter") {
            try await broker.command("dead.list").result?["items"]?.array?.first?["reason"]?.string == "max-retries"
        }
        #expect(try await broker.command("dead.requeue").result?["count"]?.int == 1)
        #expect(try await worker.next().delivered.attempt == 1)
        try await broker.stop()
    }

    @Test("A defer uses up no attempt, and may say that it was perhaps carried out")
    func defers() async throws {
        let clock = VirtualBrokerClock()
        let broker = try await BrokerHarness(clock: clock) { $0.maxRetries = 1 }
        let worker = try await broker.worker()
        let client = try await broker.stomp()
        try await send(client, queue: "out", "x")
        var outcome = Outcome(.defer, reason: .network, text: "the stream broke")
        outcome.delayMs = 1
        for isDuplicate in [false, false, true, true] {
            let item = try await worker.next()
            #expect(item.delivered.attempt == 1)
            #expect(item.delivered.flags.contains(.maybeDuplicate) == isDuplicate)
            try await worker.end(item, outcome)
            // From the second one on.
            outcome.maybeDelivered = true
            try await broker.settled()
            try await broker.advance(clock, ms: 10)
        }
        #expect(try await worker.next().delivered.attempt == 1)
        try await broker.stop()
    }

    @Test("A worker that dies gives its items back; the one in its handler is charged with a kill")
    func kill() async throws {
        let broker = try await BrokerHarness()
        let worker = try await broker.worker()
        let client = try await broker.stomp()
        for number in 0..<3 { try await send(client, queue: "out", "\(number)") }
        for _ in 0..<3 { _ = try await worker.next() }
        try await worker.close()
        let next = try await broker.worker()
        var seen: Set<String> = []
        for _ in 0..<3 {
            let item = try await next.next()
            // No journal was written: nothing had been entered, so nobody is charged.
            #expect(item.delivered.kills == 0)
            seen.insert(item.payload)
            try await next.end(item, Outcome(.done))
        }
        #expect(seen == ["0", "1", "2"])
        try await broker.stop()
    }

    @Test("A delete frame takes away what still waits of its notice") func delete() async throws {
        let broker = try await BrokerHarness()
        let client = try await broker.stomp()
        try await send(client, queue: "notice", Self.notice)
        try await eventually("it waits for a worker") {
            let notices = try await broker.command("notice", ["notice": .string("42")]).result?["notices"]
            return notices?.array?.first?["items"]?.array?.count == 1
        }
        try await send(client, queue: "notice", "{\"delete\": \"http://alice.example/notice/42\"}")
        try await eventually("it is dropped") {
            try await broker.command("dead.list").result?["items"]?.array?.first?["reason"]?.string == "dropped"
        }
        try await send(client, queue: "out", "after")
        let worker = try await broker.worker()
        #expect(try await worker.next().payload == "after")
        try await broker.stop()
    }

    @Test("Sites take turns: one with a thousand items doesn't delay one with a single one")
    func fairness() async throws {
        let broker = try await BrokerHarness()
        let client = try await broker.stomp()
        for number in 0..<1000 {
            try await client.send(
                "SEND",
                ["destination": "/queue/statusnet/main", "site": "alice", "queue": "out"],
                body: "\(number)"
            )
        }
        try await send(client, queue: "out", "bob's", site: "bob")
        let worker = try await broker.worker([("out", 1)])
        let first = try await worker.next()
        try await worker.end(first, Outcome(.done))
        let second = try await worker.next()
        #expect([first.payload, second.payload].contains("bob's"))
        try await broker.stop()
    }

    @Test("Items that a worker enqueues outside a delivery are stored; its outputs are plain queues")
    func enqueue() async throws {
        let broker = try await BrokerHarness()
        let worker = try await broker.worker()
        let item = NewItem(queue: QueueName(unchecked: "xmppin"), payload: Array("{}".utf8))
        try await worker.send(.enqueue(request: 7, site: SiteName(unchecked: "alice"), [item]))
        #expect(try await worker.enqueued.next() == nil)
        let client = try await broker.stomp()
        try await client.send("SUBSCRIBE", ["id": "1", "destination": "/queue/statusnet/xmppin"])
        let frame = try await client.frame()
        #expect(frame["site"] == "alice")
        #expect(frame.text == "{}")
        try await broker.stop()
    }

    @Test("The older envelope is taken apart; a notice's number alone is a dead letter that says so")
    func envelope() async throws {
        let broker = try await BrokerHarness()
        let worker = try await broker.worker()
        let client = try await broker.stomp(version: nil)
        let body =
            "a:3:{s:4:\"site\";s:5:\"alice\";s:7:\"handler\";s:3:\"out\";s:7:\"payload\";s:20:\"s:12:\"hello wörld\";\";}"
        try await client.send("SEND\ndestination: /queue/statusnet/main\npersistent: true\n\n\(body)\0")
        #expect(try await worker.next().payload == "hello wörld")
        let number = "a:3:{s:4:\"site\";s:5:\"alice\";s:7:\"handler\";s:3:\"out\";s:7:\"payload\";s:3:\"123\";}"
        try await client.send("SEND\ndestination: /queue/statusnet/main\n\n\(number)\0")
        try await eventually("a dead letter") {
            let text = try await broker.command("dead.list").result?["items"]?.array?.first?["text"]?.string
            return text?.contains("123") == true
        }
        try await broker.stop()
    }
}
