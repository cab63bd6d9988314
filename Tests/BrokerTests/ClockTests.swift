// SPDX-License-Identifier: Apache-2.0
import Control
import Foundation
import QueueCore
import TestSupport
import Testing

@testable import Broker

/// Somebody corrects the machine's clock by an hour.
@Suite struct ClockTests {
    private static let hour: Int64 = 3_600_000
    private let clock = VirtualBrokerClock()

    private func send(_ broker: BrokerHarness, _ body: String, delay: Int = 0, target: String = "") async throws {
        let client = try await broker.stomp()
        try await client.send(
            "SEND",
            [
                "destination": "/queue/statusnet/main", "site": "alice", "queue": "out", "target": target,
                "delay": "\(delay)", "receipt": body,
            ],
            body: body
        )
        try await client.receipt(body)
    }

    @Test("A delay is as long as it was told, whatever the clock does", arguments: [hour, -hour])
    func delays(jump: Int64) async throws {
        let broker = try await BrokerHarness(clock: clock)
        try await send(broker, "late", delay: 60_000)
        let worker = try await broker.worker()
        clock.jumpWall(ms: jump)
        try await broker.advance(clock, ms: 59_000)
        try await send(broker, "at once")
        let first = try await worker.next()
        #expect(first.payload == "at once")
        try await broker.settled(claimed: 1)
        #expect(worker.items.all.count == 1)
        try await broker.advance(clock, ms: 2000)
        #expect(try await worker.next().payload == "late")
        try await broker.stop()
    }

    @Test(
        "A lane that backs off does so as long as it was to; people see the time that their clock will show",
        arguments: [hour, -hour]
    )
    func lanes(jump: Int64) async throws {
        let broker = try await BrokerHarness(clock: clock)
        try await send(broker, "x", target: "t")
        let worker = try await broker.worker()
        var outcome = Outcome(.retry, reason: .rate, text: "slow down")
        outcome.delayMs = 600_000
        outcome.holdMs = 600_000
        try await worker.end(try await worker.next(), outcome)
        try await broker.settled()
        let before = try await nextAttempt(broker)
        clock.jumpWall(ms: jump)
        try await broker.advance(clock, ms: 590_000)
        try await broker.settled()
        #expect(worker.items.all.count == 1)
        #expect(abs(try await nextAttempt(broker).timeIntervalSince(before) * 1000 - Double(jump)) < 1)
        try await broker.advance(clock, ms: 120_000)
        #expect(try await worker.next().payload == "x")
        try await broker.stop()
    }

    private func nextAttempt(_ broker: BrokerHarness) async throws -> Date {
        let lane = try await broker.command("status").result?["lanes"]?.array?.first
        let text = try #require(lane?["next_attempt"]?.string)
        return try Date(text, strategy: .iso8601.year().month().day().time(includingFractionalSeconds: true))
    }

    @Test("What expires in five days doesn't for an hour's jump; history and counts stay") func expires() async throws {
        let broker = try await BrokerHarness(clock: clock)
        try await send(broker, "x")
        clock.jumpWall(ms: Self.hour)
        let worker = try await broker.worker()
        try await worker.end(try await worker.next(), Outcome(.done))
        try await broker.settled()
        #expect(try await broker.command("dead.list").result?["items"]?.array?.isEmpty == true)
        try await broker.stop()
    }

    @Test("A new broker's steady clock goes on where the last one's was, as long as the machine runs") func origin() {
        typealias Origin = SystemBrokerClock.Origin
        let first = Origin.now(last: nil, boot: "a", wallMs: 10 * Self.hour, sinceBootMs: 1000)
        #expect(first.offsetMs == 10 * Self.hour - 1000)
        for jump in [Self.hour, -Self.hour] {
            #expect(
                Origin.now(last: first, boot: "a", wallMs: 10 * Self.hour + jump, sinceBootMs: 5000) == first
            )
        }
        // Another run of the machine, or a clock that was wrong by far: there is nothing to hold on to.
        let next = Origin.now(last: first, boot: "b", wallMs: 12 * Self.hour, sinceBootMs: 50)
        #expect(next == Origin(boot: "b", offsetMs: 12 * Self.hour - 50))
        #expect(Origin.now(last: first, boot: "a", wallMs: 400_000 * Self.hour, sinceBootMs: 0) != first)
        #expect(Origin.now(last: Origin(boot: "", offsetMs: 1), boot: "", wallMs: 5, sinceBootMs: 0).offsetMs == 5)
        #expect(Origin(first.text) == first)
        #expect(Origin("nonsense") == nil && Origin("a b") == nil && Origin("") == nil)
    }

    @Test("Where the steady clock began is kept in the state directory") func kept() throws {
        let directory = try TemporaryDirectory()
        let clock = SystemBrokerClock(stateDirectory: directory.path)
        #expect(abs(clock.steadyMs - clock.wallMs) < 1000)
        let text = try String(contentsOfFile: directory.file("clock"), encoding: .utf8)
        let origin = try #require(SystemBrokerClock.Origin(text))
        let moved = SystemBrokerClock.Origin(boot: origin.boot, offsetMs: origin.offsetMs + Self.hour)
        try directory.write(moved.text, to: "clock")
        let next = SystemBrokerClock(stateDirectory: directory.path)
        #expect(abs(next.steadyMs - next.wallMs - Self.hour) < 1000)
        #expect(abs(next.steadyMs + next.aheadMs - next.wallMs) < 1000)
    }
}
