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

    private func broker(_ bodies: [String], maxRetries: Int = 10) async throws -> BrokerHarness {
        let broker = try await BrokerHarness(clock: clock) { $0.maxRetries = maxRetries }
        let client = try await broker.stomp()
        for body in bodies {
            try await client.send(
                "SEND",
                ["destination": "/queue/statusnet/main", "site": "alice", "queue": "out", "receipt": body],
                body: body
            )
            try await client.receipt(body)
        }
        return broker
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

    @Test("With several in handlers none is charged; each is tried alone, and the one that kills again is charged")
    func poison() async throws {
        let broker = try await broker(["0", "poison", "2", "3"])
        let first = try await broker.worker(pid: 5_000_001)
        let items = try await take(4, first)
        try await die(first, in: broker, pid: 5_000_001, entered: [items[1], items[2]])
        try await broker.settled()

        let second = try await broker.worker(pid: 5_000_002)
        let suspect = try await second.next()
        #expect(suspect.payload == "poison")
        #expect(suspect.delivered.kills == 0)
        #expect(suspect.delivered.flags.contains(.maybeDuplicate))
        // It is alone: nothing else is handed out, though there is room for more.
        try await broker.settled(claimed: 1)
        try await die(second, in: broker, pid: 5_000_002, entered: [suspect])
        try await broker.settled()

        let third = try await broker.worker(pid: 5_000_003)
        let other = try await third.next()
        #expect(other.payload == "2")
        #expect(other.delivered.kills == 0)
        try await broker.settled(claimed: 1)
        try await third.end(other, Outcome(.done))
        let neighbours = try await take(2, third)
        #expect(neighbours.map(\.payload) == ["0", "3"])
        #expect(neighbours.allSatisfy { $0.delivered.kills == 0 && !$0.delivered.flags.contains(.maybeDuplicate) })
        try await third.end(neighbours, Outcome(.done))
        try await broker.settled()
        try await broker.advance(clock, ms: 1000)
        let charged = try await third.next()
        #expect(charged.payload == "poison")
        #expect(charged.delivered.kills == 1)
        #expect(charged.delivered.flags.contains(.afterCrash))
        try await third.end(charged, Outcome(.done))
        try await broker.settled()
        #expect(try await broker.onLoop { $0.dispatcher.lines.values.allSatisfy { !$0.hasSuspects } })
        try await broker.stop()
    }

    @Test("The one whose handle() was running is to blame; the others may be duplicates, and are delivered at once")
    func inside() async throws {
        let broker = try await broker(["0", "1", "2"])
        let first = try await broker.worker(pid: 5_000_001)
        let items = try await take(3, first)
        try await die(first, in: broker, pid: 5_000_001, entered: [items[0], items[1]], inside: items[1])
        let second = try await broker.worker(pid: 5_000_002)
        let others = try await take(2, second)
        #expect(others.map(\.payload) == ["0", "2"])
        #expect(others.map { $0.delivered.flags.contains(.maybeDuplicate) } == [true, false])
        try await second.end(others, Outcome(.done))
        try await broker.settled()
        try await broker.advance(clock, ms: 1000)
        let charged = try await second.next()
        #expect(charged.payload == "1")
        #expect(charged.delivered.kills == 1)
        try await broker.stop()
    }

    @Test("The log names what was in handlers: first the one that ran, three at most")
    func named() async throws {
        let broker = try await broker(["0", "1", "2", "3", "4"])
        let worker = try await broker.worker(pid: 5_000_001)
        let items = try await take(5, worker)
        let ids = items.map(\.delivered.id)
        let numbers = items.map(\.delivered.item)
        let journal = InFlightJournal.Contents(inside: ids[3], entered: Set(ids.dropFirst()))
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

    @Test("Past max_retries kills it is a dead letter that names the plugin and the signal")
    func killed() async throws {
        let broker = try await broker(["x"], maxRetries: 1)
        for pid: Int32 in [5_000_001, 5_000_002] {
            let worker = try await broker.worker(pid: pid)
            let item = try await worker.next()
            try await die(worker, in: broker, pid: pid, entered: [item])
            try await broker.settled()
            try await broker.advance(clock, ms: 1000)
        }
        try await eventually("a dead letter") {
            let letter = try await broker.command("dead.list").result?["items"]?.array?.first
            return letter?["reason"]?.string == "killed"
                && letter?["text"]?.string?.contains("bench 1.0: signal 11") == true
        }
        try await broker.stop()
    }

    @Test("A hunter goes on as a worker like any other when its suspects are buried, or their queue is paused")
    func huntEnds() async throws {
        let broker = try await broker(["0", "1"])
        let first = try await broker.worker(pid: 5_000_001)
        let items = try await take(2, first)
        try await die(first, in: broker, pid: 5_000_001, entered: items)
        try await broker.settled()
        #expect(try await broker.command("pause", ["queue": .string("out"), "site": .string("alice")]).error == nil)
        let second = try await broker.worker(pid: 5_000_002)
        let client = try await broker.stomp()
        try await client.send(
            "SEND",
            ["destination": "/queue/statusnet/main", "site": "bob", "queue": "out"],
            body: "bob's"
        )
        let bobs = try await second.next()
        #expect(bobs.payload == "bob's")
        #expect(try await broker.command("resume", ["queue": .string("out")]).error == nil)
        // It is busy: no suspect starts before that is over.
        try await broker.settled(claimed: 1)
        try await second.end(bobs, Outcome(.done))
        let suspect = try await second.next()
        #expect(suspect.payload == "0")
        try await second.end(suspect, Outcome(.done))
        #expect(try await second.next().payload == "1")
        try await broker.stop()
    }

    @Test("A worker that refuses the suspect's site hunts nothing, and works on") func refused() async throws {
        let broker = try await broker(["0", "1"])
        let first = try await broker.worker(pid: 5_000_001)
        let items = try await take(2, first)
        let second = try await FakeWorker(path: broker.configuration.workerSocket, group: broker.group)
        try await second.hello([("out", 4)], journal: broker.journalPath(5_000_002), pid: 5_000_002)
        try await second.send(.refuse([SiteName(unchecked: "alice")]))
        try await die(first, in: broker, pid: 5_000_001, entered: items)
        try await broker.settled()
        let client = try await broker.stomp()
        for body in ["b0", "b1"] {
            try await client.send(
                "SEND",
                ["destination": "/queue/statusnet/main", "site": "bob", "queue": "out"],
                body: body
            )
            #expect(try await second.next().payload == body)
        }
        let third = try await broker.worker(pid: 5_000_003)
        #expect(try await third.next().payload == "0")
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
