// SPDX-License-Identifier: Apache-2.0
import Control
import Foundation
import QueueCore
import TestSupport
import Testing
import WorkerLink

@testable import Broker

/// What a delete frame does, depending on how far its notice has come.
@Suite struct NoticeDeletionTests {
    private static let delete = #"{"delete": "http://alice.example/notice/42"}"#
    private static let stage = QueueName(unchecked: "stage")

    /// The stage-1 queue of the plugin `bench` wants delete frames too.
    private func broker(clock: any BrokerClock = SystemBrokerClock()) async throws -> BrokerHarness {
        try await BrokerHarness(clock: clock) { configuration in
            configuration.plugins[0].descriptor?.handlers[0].takesDeletes = true
        }
    }

    private func send(_ broker: BrokerHarness, _ body: String, _ headers: [String: String] = [:]) async throws {
        let client = try await broker.stomp()
        let receipt = UUID().uuidString
        let fixed = ["destination": "/queue/statusnet/main", "site": "alice", "queue": "notice", "receipt": receipt]
        let lines = fixed.merging(headers) { $1 }.map { "\($0.key):\($0.value)\n" }
        try await client.send("SEND\n\(lines.joined())\n\(body)\0")
        try await client.receipt(receipt)
    }

    /// Queue and state of all that is known of the notice, but for what waits to be distributed.
    private func items(_ broker: BrokerHarness) async throws -> [String] {
        let reply = try await broker.command("notice", ["notice": .string("42")])
        let rows = reply.result?["notices"]?.array?.first?["items"]?.array ?? []
        return rows.map { "\($0["queue"]?.string ?? "") \($0["state"]?.string ?? "")" }
    }

    private func out(_ target: String) -> NewItem {
        var item = NewItem(queue: QueueName(unchecked: "out"), payload: Array(target.utf8))
        item.target = target
        return item
    }

    private func isNoticeQueueEmpty(_ broker: BrokerHarness) async throws -> Bool {
        try await broker.onLoop { core in
            core.dispatcher.linesByName["notice"]?.sources.values.allSatisfy { $0.isEmpty && $0.claimed == 0 } ?? true
        }
    }

    @Test("What has been delivered: the frame goes to the queues that want it, as it was sent")
    func delivered() async throws {
        let broker = try await broker()
        try await send(broker, WorkerQueueTests.notice)
        let worker = try await broker.worker()
        try await worker.end(try await worker.next(), Outcome(.done), staging: [out("t")])
        try await worker.end(try await worker.next(), Outcome(.done))
        try await broker.settled()
        try await send(broker, Self.delete, ["priority": "7"])
        let frame = try await worker.next()
        #expect(frame.payload == Self.delete && frame.delivered.queue == Self.stage)
        #expect(try await items(broker) == ["stage delivered", "out delivered"])
        // What the handler stages of it isn't the notice's: a second frame doesn't take it away.
        #expect(try await broker.command("pause", ["queue": .string("out")]).error == nil)
        try await worker.end(frame, Outcome(.done), staging: [out("take back")])
        try await broker.settled()
        try await send(broker, Self.delete)
        try await worker.end(try await worker.next(), Outcome(.done))
        #expect(try await broker.command("resume", ["queue": .string("out")]).error == nil)
        #expect(try await worker.next().payload == "take back")
        #expect(try await broker.command("dead.list").result?["items"]?.array?.isEmpty == true)
        try await broker.stop()
    }

    @Test("What waits in stage 1 is dropped, and the frame comes in its place")
    func waiting() async throws {
        let broker = try await broker()
        try await send(broker, WorkerQueueTests.notice)
        try await send(broker, Self.delete)
        let worker = try await broker.worker()
        #expect(try await worker.next().payload == Self.delete)
        #expect(try await items(broker) == ["stage dead"])
        #expect(worker.items.all.count == 1)
        try await broker.stop()
    }

    @Test("What is half staged: the rest is dropped, nothing more is staged, and the frame comes behind it")
    func halfStaged() async throws {
        let broker = try await broker()
        #expect(try await broker.command("pause", ["queue": .string("out")]).error == nil)
        try await send(broker, WorkerQueueTests.notice)
        let worker = try await broker.worker()
        var more = Outcome(.continue)
        more.cursor = Array("1".utf8)
        try await worker.end(try await worker.next(), more, staging: [out("a"), out("b")])
        let second = try await worker.next()
        #expect(second.cursor == "1")
        try await send(broker, Self.delete)
        #expect(try await worker.cancelled.next(within: .seconds(20), "the end of stage 1") == [second.delivered.id])
        let frame = try await worker.next()
        #expect(frame.payload == Self.delete)
        more.cursor = Array("2".utf8)
        try await worker.end(second, more, staging: [out("c")])
        try await worker.end(frame, Outcome(.done))
        try await broker.settled()
        #expect(try await items(broker) == ["stage dead", "out dead", "out dead"])
        #expect(try await broker.command("resume", ["queue": .string("out")]).error == nil)
        try await broker.settled()
        #expect(worker.items.all.count == 3)
        try await broker.stop()
    }

    @Test("A frame that is sent twice with one dedupe key goes out once")
    func duplicate() async throws {
        let broker = try await broker()
        for _ in 0..<2 { try await send(broker, Self.delete, ["dedupe": "delete 42"]) }
        let status = try await broker.command("status").result?["queues"]?.array ?? []
        #expect(status.first { $0["queue"]?.string == "stage" }?["ready"]?.int == 1)
        try await broker.stop()
    }

    @Test("A delayed notice is taken away before it is due")
    func delayed() async throws {
        let clock = VirtualBrokerClock()
        let broker = try await broker(clock: clock)
        try await send(broker, WorkerQueueTests.notice, ["delay": "5000"])
        #expect(try await items(broker) == ["notice delayed"])
        try await send(broker, Self.delete)
        #expect(try await items(broker) == ["notice dead"])
        try await broker.advance(clock, ms: 5001)
        let worker = try await broker.worker()
        #expect(try await worker.next().payload == Self.delete)
        try await broker.settled(claimed: 1)
        #expect(try await items(broker) == ["notice dead"])
        try await broker.stop()
    }

    @Test("A frame of a higher priority than its paused notice takes it away as well")
    func overtaking() async throws {
        let broker = try await broker()
        #expect(try await broker.command("pause", ["queue": .string("notice")]).error == nil)
        try await send(broker, WorkerQueueTests.notice)
        try await send(broker, Self.delete, ["priority": "9"])
        #expect(try await broker.command("resume", ["queue": .string("notice")]).error == nil)
        try await eventually("the queue is empty") { try await isNoticeQueueEmpty(broker) }
        #expect(try await items(broker) == ["notice dead"])
        let worker = try await broker.worker()
        #expect(try await worker.next().payload == Self.delete)
        try await broker.settled(claimed: 1)
        #expect(worker.items.all.count == 1)
        #expect(try await broker.onLoop { $0.dispatcher.buried.isEmpty })
        try await broker.stop()
    }

    @Test("A site that doesn't enable the plugin gets nothing")
    func otherSite() async throws {
        let broker = try await broker()
        try await send(broker, Self.delete, ["site": "carol"])
        let status = try await broker.command("status").result?["queues"]?.array ?? []
        #expect(status.allSatisfy { ($0["ready"]?.int ?? 0) == 0 })
        #expect(try await broker.command("dead.list").result?["items"]?.array?.isEmpty == true)
        try await broker.stop()
    }
}
