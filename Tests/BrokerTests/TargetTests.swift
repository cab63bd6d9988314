// SPDX-License-Identifier: Apache-2.0
import Control
import QueueCore
import QueueStore
import TestSupport
import Testing
import WorkerLink

@testable import Broker

/// `queuectl target`: show, retry now, replay.
@Suite struct TargetTests {
    private let clock = VirtualBrokerClock()
    private let refused = Outcome(.retry, reason: .network, text: "refused")

    @Test("show tells the lane as it is, what waits, and when something was delivered and failed last")
    func show() async throws {
        let broker = try await BrokerHarness(clock: clock)
        let worker = try await broker.worker([("out", 5)])
        try await broker.send(0..<1, target: "http://t/")
        try await worker.end(try await worker.next(), Outcome(.done))
        try await broker.settled()
        let before = try #require(try await broker.command("target.show", ["target": .string("http://t/")]).result)
        #expect(before["last_delivered"]?.string != nil)
        #expect(before["last_failure"] == .null)
        try await broker.send(1..<8, target: "http://t/")
        try await worker.end(try await worker.take(5), refused)
        try await broker.settled()
        let shown = try #require(try await broker.command("target.show", ["target": .string("http://t/")]).result)
        let lane = try #require(shown["lanes"]?.array?.first)
        #expect(shown["lanes"]?.array?.count == 1)
        #expect(lane["state"]?.string == "open")
        #expect(lane["waiting"]?.int == 7)
        #expect(lane["reason"]?.string == "refused")
        #expect(lane["attempts"]?.int == 1)
        #expect(lane["next_attempt"]?.string != nil)
        #expect(shown["last_failure"]?["reason"]?.string == "refused")
        let unknown = try #require(try await broker.command("target.show", ["target": .string("http://x/")]).result)
        #expect(unknown["lanes"] == .array([]))
        #expect(unknown["last_delivered"] == .null)
        try await broker.stop()
    }

    @Test("retry-now starts an open lane's probe at once, and with its success the rest")
    func retryNow() async throws {
        let broker = try await BrokerHarness(clock: clock)
        let worker = try await broker.worker([("out", 5)])
        try await broker.send(0..<20, target: "http://t/")
        try await worker.end(try await worker.take(5), refused)
        try await broker.settled()
        #expect(worker.items.all.count == 5)
        let answer = try await broker.command("target.retry", ["target": .string("http://t/")]).result
        #expect(answer?["lanes"]?.int == 1)
        #expect(answer?["waiting"]?.int == 20)
        var seen: Set<String> = []
        for _ in 0..<20 {
            let item = try await worker.next()
            seen.insert(item.payload)
            try await worker.end(item, Outcome(.done))
        }
        #expect(seen.count == 20)
        try await broker.settled()
        try await eventually("the lane is forgotten") {
            try await broker.command("status").result?["lanes_total"]?.int == 0
        }
        try await broker.stop()
    }

    @Test("retry-now hurries what waits for another attempt, and nothing that was to come later anyway")
    func hurry() async throws {
        let broker = try await BrokerHarness(clock: clock)
        let worker = try await broker.worker([("out", 5)])
        try await broker.send(0..<1, target: "http://t/", headers: ["delay": "3600000"])
        try await broker.send(1..<2, target: "http://t/")
        try await worker.end(try await worker.next(), Outcome(.retry, reason: .other))
        try await broker.settled()
        let answer = try await broker.command("target.retry", ["target": .string("http://t/")]).result
        #expect(answer?["waiting"]?.int == 1)
        #expect(try await worker.next().payload == "1")
        try await broker.settled(claimed: 1)
        #expect(worker.items.all.count == 2)
        try await broker.stop()
    }

    @Test("replay sends delivered and dead items again, as new ones, since then, of one site where it is named")
    func replay() async throws {
        let broker = try await BrokerHarness(clock: clock)
        let worker = try await broker.worker([("out", 64)])
        try await broker.send(0..<3, target: "http://t/", headers: ["dedupe": "old"])
        try await worker.end(try await worker.next(), Outcome(.done))
        try await broker.settled()
        clock.advance(ms: 60_000)
        let since = clock.wallMs
        try await broker.send(3..<6, target: "http://t/")
        try await broker.send(6..<7, site: "bob", target: "http://t/")
        try await broker.send(7..<8, target: "http://other/")
        let items = try await worker.take(5)
        var dead = Outcome(.discard, reason: .rejected, text: "HTTP 400")
        dead.keep = true
        for item in items { try await worker.end(item, item.payload == "4" ? dead : Outcome(.done)) }
        try await broker.settled()
        let arguments: [String: JSONValue] = [
            "target": .string("http://t/"), "since_ms": .int(since), "site": .string("alice"),
        ]
        let dry = try await broker.command("target.replay", arguments.merging(["dry_run": .bool(true)]) { $1 })
        #expect(dry.result?["count"]?.int == 3)
        try await broker.settled()
        #expect(worker.items.all.count == 6)
        let done = try await broker.command("target.replay", arguments)
        #expect(done.result?["count"]?.int == 3)
        #expect(done.result?["frame_gone"]?.int == 0)
        let again = try await worker.take(3)
        #expect(Set(again.map(\.payload)) == ["3", "4", "5"])
        #expect(Set(again.map(\.delivered.item)).isDisjoint(with: items.map(\.delivered.item)))
        #expect(try await broker.command("dead.list").result?["items"] == .array([]))
        try await worker.end(again, Outcome(.done))
        try await broker.settled()
        #expect(worker.items.all.count == 9)
        try await broker.stop()
    }
}
