// SPDX-License-Identifier: Apache-2.0
import Control
import QueueCore
import TestSupport
import Testing
import WorkerLink

@testable import Broker

/// A worker dies, and its journal says which handlers had been called.
@Suite struct SuspectTests {
    /// Time stands still unless told otherwise: what is delayed waits.
    private let clock = VirtualBrokerClock()

    private func broker(
        _ bodies: [String],
        queue: String = "out",
        target: String = "",
        maxRetries: Int = 10
    ) async throws -> BrokerHarness {
        let broker = try await BrokerHarness(clock: clock) { $0.maxRetries = maxRetries }
        try await send(bodies, try await broker.stomp(), queue: queue, target: target)
        return broker
    }

    private func send(_ bodies: [String], _ client: StompTestClient, queue: String, target: String) async throws {
        for body in bodies {
            try await client.send(
                "SEND",
                [
                    "destination": "/queue/statusnet/main", "site": "alice", "queue": queue, "target": target,
                    "receipt": body,
                ],
                body: body
            )
            try await client.receipt(body)
        }
    }

    private func take(_ count: Int, _ worker: FakeWorker) async throws -> [FakeWorker.Item] {
        var items: [FakeWorker.Item] = []
        for _ in 0..<count { items.append(try await worker.next()) }
        return items
    }

    /// The worker of this process id dies with these in handlers.
    private func die(
        _ worker: FakeWorker,
        in broker: BrokerHarness,
        pid: Int32,
        entered: [FakeWorker.Item],
        inside: FakeWorker.Item? = nil
    ) async throws {
        let journal = try InFlightJournal(path: broker.journalPath(pid), slots: 8)
        for (slot, item) in entered.enumerated() { journal.enter(slot: slot, delivery: item.delivered.id) }
        if let inside { journal.setInside(inside.delivered.id) }
        try await worker.close()
        try await broker.exited(pid: pid, cause: "signal 11")
    }

    private func hunter(_ broker: BrokerHarness, pid: Int32) async throws -> FakeWorker {
        try await broker.worker(pid: pid, isHunter: true)
    }

    @Test("Each that was in a handler is tried alone, in a hunter, while the other workers go on")
    func hunted() async throws {
        let broker = try await broker(["0", "1", "2", "3"])
        let first = try await broker.worker(pid: 5_000_001)
        let items = try await take(4, first)
        try await die(first, in: broker, pid: 5_000_001, entered: [items[1], items[2]])
        #expect(try await broker.hunted.next() == ["bench"])

        let second = try await broker.worker(pid: 5_000_002)
        let neighbours = try await take(2, second)
        #expect(neighbours.map(\.payload) == ["0", "3"])
        #expect(neighbours.allSatisfy { $0.delivered.kills == 0 })
        // The first one had left its handler, or so it may be; the last one never was in it.
        #expect(neighbours.map { $0.delivered.flags.contains(.maybeDuplicate) } == [true, false])
        let hunter = try await hunter(broker, pid: 5_000_003)
        for body in ["1", "2"] {
            let suspect = try await hunter.next()
            #expect(suspect.payload == body)
            #expect(suspect.delivered.kills == 0)
            #expect(suspect.delivered.flags.contains(.maybeDuplicate))
            // It is alone in there.
            try await broker.settled(claimed: 3)
            try await hunter.end(suspect, Outcome(.done))
        }
        try await second.end(neighbours, Outcome(.done))
        try await broker.settled()
        #expect(try await broker.hunted.next() == [])
        #expect(try await broker.onLoop { $0.dispatcher.lines.values.allSatisfy { !$0.hasSuspects && $0.hunted == 0 } })
        try await broker.stop()
    }

    @Test("Only what kills a hunter that had nothing before it is charged")
    func poison() async throws {
        let broker = try await broker(["0", "poison"])
        let first = try await broker.worker(pid: 5_000_001)
        try await die(first, in: broker, pid: 5_000_001, entered: try await take(2, first))
        try await broker.settled()

        let second = try await hunter(broker, pid: 5_000_002)
        let innocent = try await second.next()
        #expect(innocent.payload == "0")
        try await second.end(innocent, Outcome(.done))
        // It may have died of what the first one left: not charged, but the first that the next hunter gets.
        let poison = try await second.next()
        #expect(poison.payload == "poison")
        try await die(second, in: broker, pid: 5_000_002, entered: [poison], inside: poison)
        let third = try await hunter(broker, pid: 5_000_003)
        let again = try await third.next()
        #expect(again.payload == "poison" && again.delivered.kills == 0)
        try await die(third, in: broker, pid: 5_000_003, entered: [again], inside: again)
        try await broker.settled()
        try await broker.advance(clock, ms: 1000)
        let fourth = try await hunter(broker, pid: 5_000_004)
        let charged = try await fourth.next()
        #expect(charged.delivered.kills == 1)
        #expect(charged.delivered.flags.contains(.afterCrash))
        try await fourth.end(charged, Outcome(.done))
        try await broker.settled()
        try await broker.stop()
    }

    @Test("A hunter that dies before it enters the suspect's handler charges nobody")
    func hunterDies() async throws {
        let broker = try await broker(["0"])
        let first = try await broker.worker(pid: 5_000_001)
        try await die(first, in: broker, pid: 5_000_001, entered: [try await first.next()])
        let second = try await hunter(broker, pid: 5_000_002)
        _ = try await second.next()
        try await die(second, in: broker, pid: 5_000_002, entered: [])
        let third = try await hunter(broker, pid: 5_000_003)
        #expect(try await third.next().delivered.kills == 0)
        try await broker.stop()
    }

    @Test(
        "Of several in handlers the one whose handle() ran is the suspect; another that is beside it again becomes one too"
    )
    func inside() async throws {
        let broker = try await broker(["0", "1", "2"])
        let first = try await broker.worker(pid: 5_000_001)
        let items = try await take(3, first)
        try await die(first, in: broker, pid: 5_000_001, entered: [items[0], items[1]], inside: items[1])
        let second = try await broker.worker(pid: 5_000_002)
        let others = try await take(2, second)
        #expect(others.map(\.payload) == ["0", "2"])
        #expect(others.map { $0.delivered.flags.contains(.maybeDuplicate) } == [true, false])
        try await die(second, in: broker, pid: 5_000_002, entered: others, inside: others[1])
        try await broker.settled()
        let hunter = try await hunter(broker, pid: 5_000_003)
        var hunted: [String] = []
        for _ in 0..<3 {
            let suspect = try await hunter.next()
            hunted.append(suspect.payload)
            try await hunter.end(suspect, Outcome(.done))
        }
        #expect(hunted.sorted() == ["0", "1", "2"])
        try await broker.stop()
    }

    @Test("The log names what was in handlers: first the one that ran, three at most")
    func named() async throws {
        let broker = try await broker(["0", "1", "2", "3", "4"])
        let worker = try await broker.worker(pid: 5_000_001)
        let items = try await take(5, worker)
        let ids = items.map(\.delivered.id)
        let numbers = items.map(\.delivered.item)
        let journal = InFlightJournal.Contents(inside: ids[3], entered: Set(ids.dropFirst()), newest: ids[4])
        let named = try await broker.onLoop { core in
            let sessions = core.dispatcher.lines.values.flatMap(\.consumers).compactMap { $0 as? WorkerSession }
            return sessions.first?.names(of: journal, limit: 3)
        }
        let (first, second, third) = (numbers[3], numbers[1], numbers[2])
        #expect(
            named == "\(first) of alice/out (inside), \(second) of alice/out, \(third) of alice/out and 1 more"
        )
        try await worker.end(items, Outcome(.done))
        try await broker.stop()
    }

    @Test("Past max_retries kills it is a dead letter that names the plugin's version and the signal, with no attempts")
    func killed() async throws {
        let broker = try await broker(["x"], maxRetries: 1)
        let first = try await broker.worker(pid: 5_000_001)
        try await die(first, in: broker, pid: 5_000_001, entered: [try await first.next()])
        for pid: Int32 in [5_000_002, 5_000_003] {
            let hunter = try await hunter(broker, pid: pid)
            let item = try await hunter.next()
            try await die(hunter, in: broker, pid: pid, entered: [item])
            try await broker.settled()
            try await broker.advance(clock, ms: 1000)
        }
        try await eventually("a dead letter") {
            let letter = try await broker.command("dead.list").result?["items"]?.array?.first
            return letter?["reason"]?.string == "killed" && letter?["kills"]?.int == 2 && letter?["attempts"]?.int == 0
                && letter?["text"]?.string?.contains("bench 1.0: signal 11") == true
        }
        try await broker.stop()
    }

    @Test("A paused queue's suspects need no hunter, and wait")
    func paused() async throws {
        let broker = try await broker(["0"])
        let first = try await broker.worker(pid: 5_000_001)
        let item = try await first.next()
        #expect(try await broker.command("pause", ["queue": .string("out"), "site": .string("alice")]).error == nil)
        try await die(first, in: broker, pid: 5_000_001, entered: [item])
        try await broker.settled()
        let hunter = try await hunter(broker, pid: 5_000_002)
        try await eventually("the hunter is known") { try await broker.workers() == 1 }
        try await broker.settled()
        #expect(broker.hunted.all.last != ["bench"])
        #expect(try await broker.command("resume", ["queue": .string("out")]).error == nil)
        #expect(try await hunter.next().payload == "0")
        #expect(broker.hunted.all.last == ["bench"])
        try await broker.stop()
    }

    @Test("A queue with one worker per site has its suspects tried by that worker, which gets nothing else meanwhile")
    func singleton() async throws {
        let broker = try await broker(["0", "1", "2"], queue: "single")
        let first = try await broker.worker([("single", 2)], pid: 5_000_001)
        try await die(first, in: broker, pid: 5_000_001, entered: try await take(2, first))
        try await broker.settled()
        let second = try await broker.worker([("single", 2)], pid: 5_000_002)
        for body in ["0", "1"] {
            let suspect = try await second.next()
            #expect(suspect.payload == body)
            try await broker.settled(claimed: 1)
            try await second.end(suspect, Outcome(.done))
        }
        #expect(try await second.next().payload == "2")
        #expect(broker.hunted.all == [])
        try await broker.stop()
    }

    @Test("In an ordered queue nothing of a suspect's lane overtakes it, before and after a kill")
    func ordered() async throws {
        let broker = try await broker(["0", "1"], queue: "ordered", target: "t")
        let first = try await broker.worker(pid: 5_000_001)
        let head = try await first.next()
        #expect(head.payload == "0")
        try await die(first, in: broker, pid: 5_000_001, entered: [head])
        try await broker.settled()
        let second = try await broker.worker(pid: 5_000_002)
        let client = try await broker.stomp()
        try await send(["other"], client, queue: "ordered", target: "u")
        #expect(try await second.next().payload == "other")
        let hunter = try await hunter(broker, pid: 5_000_003)
        let suspect = try await hunter.next()
        #expect(suspect.payload == "0")
        try await die(hunter, in: broker, pid: 5_000_003, entered: [suspect])
        try await broker.settled(claimed: 1)
        try await broker.advance(clock, ms: 1000)
        let next = try await self.hunter(broker, pid: 5_000_004)
        let charged = try await next.next()
        #expect(charged.payload == "0" && charged.delivered.kills == 1)
        try await broker.settled(claimed: 2)
        #expect(second.items.all.map(\.payload) == ["other"])
        try await next.end(charged, Outcome(.done))
        #expect(try await second.next().payload == "1")
        try await broker.stop()
    }

    @Test("A hunter that refuses the suspect's site leaves it to another one") func refused() async throws {
        let broker = try await broker(["0"])
        let first = try await broker.worker(pid: 5_000_001)
        let item = try await first.next()
        let second = try await hunter(broker, pid: 5_000_002)
        try await second.send(.refuse([SiteName(unchecked: "alice")]))
        try await die(first, in: broker, pid: 5_000_001, entered: [item])
        try await broker.settled()
        let third = try await hunter(broker, pid: 5_000_003)
        #expect(try await third.next().payload == "0")
        #expect(second.items.all.isEmpty)
        try await broker.stop()
    }

    @Test("A link that broke while its worker lives charges nobody; its items may be duplicates")
    func brokenLink() async throws {
        let broker = try await broker(["0", "1"])
        let first = try await broker.worker(pid: 5_000_001)
        let items = try await take(2, first)
        let journal = try InFlightJournal(path: broker.journalPath(5_000_001), slots: 8)
        journal.enter(slot: 0, delivery: items[0].delivered.id)
        try await first.close()
        try await eventually("the broker has seen it") { try await broker.workers() == 0 }
        // The same process connects anew.
        let again = try await broker.worker(pid: 5_000_001)
        let back = try await take(2, again)
        #expect(back.map(\.payload) == ["0", "1"])
        #expect(back.allSatisfy { $0.delivered.kills == 0 && $0.delivered.flags.contains(.maybeDuplicate) })
        try await broker.stop()
    }
}
