// SPDX-License-Identifier: Apache-2.0
import Control
import Foundation
import NIOCore
import QueueCore
import TestSupport
import Testing
import WorkerLink

@testable import Broker

/// A broker dies, and the next one finds its workers alive.
@Suite struct ResumptionTests {
    /// Of a process that doesn't exist, since its pid is beyond the kernel's range; what counts is the journal's lock.
    private static let pid: Int32 = 5_000_000
    private static let credits = ["stage": 2, "out": 64, "ordered": 64].map {
        QueueCredit(queue: QueueName(unchecked: $0.key), credit: UInt32($0.value))
    }

    /// The first broker, a worker whose journal is locked as a live one's, and items on it.
    private struct Before {
        let directory: TemporaryDirectory
        private(set) var journals: [InFlightJournal] = []
        var items: [FakeWorker.Item] = []

        init() throws {
            directory = try TemporaryDirectory()
            try FileManager.default.createDirectory(
                atPath: directory.file("journals"),
                withIntermediateDirectories: true
            )
            try addWorker()
        }

        mutating func addWorker() throws {
            let path = directory.file("journals/bench-\(journals.count).journal")
            journals.append(try InFlightJournal(path: path, slots: 64))
            journals.last?.lock()
        }

        /// Ends the first broker as a kill -9 does, with `count` items of queue `out` in the worker's hands.
        mutating func handOut(_ count: Int, then end: (FakeWorker) async throws -> Void = { _ in }) async throws {
            let broker = try await BrokerHarness(directory: directory)
            let worker = try await FakeWorker(path: broker.configuration.workerSocket, group: broker.group)
            try await worker.hello(credits, journal: journals[0].path, pid: pid)
            for number in 0..<count {
                try await broker.send([number], target: "http://r.example/\(number)")
            }
            items = try await worker.take(count)
            try await end(worker)
            try await broker.crash()
        }
    }

    /// A worker that comes back, or another one.
    private func worker(
        _ broker: BrokerHarness,
        _ journal: String,
        holding items: [FakeWorker.Item] = [],
        number: Int32 = 0
    ) async throws -> FakeWorker {
        let worker = try await FakeWorker(path: broker.configuration.workerSocket, group: broker.group)
        try await worker.hello(
            Self.credits,
            journal: journal,
            pid: Self.pid + number,
            holding: items
        )
        return worker
    }

    @Test("What a live worker has stays its own; everybody else waits until it has said so")
    func keeps() async throws {
        var before = try Before()
        try await before.handOut(3)
        try before.addWorker()
        let broker = try await BrokerHarness(directory: before.directory)
        let other = try await worker(broker, before.journals[1].path, number: 1)
        // Told before it is known what is still its own.
        let first = try await worker(broker, before.journals[0].path, holding: Array(before.items.prefix(2)))
        try await first.send(.refuse([]))
        try await first.end(before.items[0], Outcome(.done))
        let rest = try await other.next()
        #expect(rest.payload == before.items[2].payload)
        #expect(rest.delivered.flags.contains(.maybeDuplicate))
        try await first.end(before.items[1], Outcome(.done))
        try await other.end(rest, Outcome(.done))
        try await broker.settled()
        #expect(other.items.all.count == 1 && first.items.all.isEmpty)
        // Its next ids are new ones.
        try await first.send(.accept([]))
        try await other.close()
        try await eventually("one worker is left") { try await broker.workers() == 1 }
        try await broker.send([9], target: "t")
        #expect(try await first.next().delivered.id > before.items[1].delivered.id)
        try await broker.stop()
    }

    @Test("A worker that isn't there any more is waited for by nobody") func noWorker() async throws {
        let directory: TemporaryDirectory
        do {
            var before = try Before()
            try await before.handOut(1)
            directory = before.directory
        }
        // The journal is there, and nobody's.
        #expect(FileManager.default.fileExists(atPath: directory.file("journals/bench-0.journal")))
        #expect(InFlightJournal.locked(in: directory.file("journals")).isEmpty)
        let broker = try await BrokerHarness(directory: directory)
        #expect(try await broker.onLoop { $0.resumption?.isOver } == true)
        let other = try await worker(broker, directory.file("journals/other.journal"))
        #expect(try await other.next().payload == "0")
        try await broker.stop()
    }

    @Test("One that doesn't come back in time loses what it has") func late() async throws {
        var before = try Before()
        try await before.handOut(2)
        let broker = try await BrokerHarness(directory: before.directory)
        let other = try await worker(broker, before.directory.file("journals/other.journal"), number: 1)
        let items = try await other.take(2)
        let late = try await worker(broker, before.journals[0].path, holding: before.items)
        // Known to nobody: it changes nothing, and the worker may forget it.
        try await late.end(before.items[0], Outcome(.discard, reason: .gone))
        #expect(try await late.settled.next() == 1)
        #expect(try await broker.claimed() == 2)
        try await other.end(items, Outcome(.done))
        try await broker.settled()
        try await broker.stop()
    }

    @Test("What was settled on disk before the broker died isn't settled twice") func known() async throws {
        var before = try Before()
        var outcome = Outcome(.retry, reason: .other, text: "again")
        outcome.delayMs = 1
        try await before.handOut(3) { [outcome] worker in
            let items = worker.items.all
            try await worker.end(items[0], Outcome(.done))
            try await worker.end(items[1], outcome)
            _ = try await worker.settled.first("both results on disk") { $0 == 2 }
        }
        let broker = try await BrokerHarness(directory: before.directory)
        // As one that hadn't heard of it.
        let worker = try await worker(broker, before.journals[0].path, holding: before.items)
        try await worker.end(before.items[0], Outcome(.discard, reason: .gone))
        try await worker.end(before.items[1], outcome)
        let again = try await worker.next()
        #expect(again.payload == before.items[1].payload && again.delivered.attempt == 2)
        try await worker.end(again, Outcome(.done))
        try await worker.end(before.items[2], Outcome(.done))
        try await broker.settled()
        #expect(worker.items.all.count == 1)
        try await broker.stop()
    }

    @Test("What came from a lane's backlog stays its worker's; given back it waits for its lane again")
    func parked() async throws {
        var before = try Before()
        let directory = before.directory
        var failed = Outcome(.retry, reason: .network, text: "down")
        failed.holdMs = 200
        let broker = try await BrokerHarness(directory: directory)
        let worker = try await worker(broker, before.journals[0].path)
        try await broker.send(0..<8, target: "t")
        // As many as a new lane lets through; the lane is held, and all of it goes to the store.
        try await worker.end(try await worker.take(5), failed)
        before.items = [try await worker.next()]
        try await broker.crash()

        let next = try await BrokerHarness(directory: directory)
        let same = try await self.worker(next, before.journals[0].path, holding: before.items)
        try await eventually("it is claimed") { try await next.claimed() > 0 }
        let held = before.items[0]
        var (payloads, ended): (Set<String>, Set<UInt64>) = ([], [])
        // The others come without it, as long as it is in the worker's hands.
        for _ in 0..<7 {
            let item = try await same.next(within: .seconds(60))
            ended.insert(item.delivered.item)
            payloads.insert(item.payload)
            try await same.end(item, Outcome(.done))
        }
        #expect(payloads.count == 7 && !ended.contains(held.delivered.item))
        try await next.settled(claimed: 1)
        try await same.end(held, Outcome(.giveBack))
        let again = try await same.next(within: .seconds(60))
        #expect(again.payload == held.payload && again.delivered.attempt == held.delivered.attempt)
        try await same.end(again, Outcome(.done))
        try await next.settled()
        #expect(same.items.all.count == 8)
        try await next.stop()
    }

    @Test("A link that breaks by itself costs nothing either") func link() async throws {
        let broker = try await BrokerHarness()
        let first = try await broker.worker()
        try await broker.send(0..<4, target: "t")
        let items = try await first.take(4)
        try await first.close()
        let second = try await worker(broker, broker.journalPath(Self.pid), holding: Array(items.prefix(2)))
        let rest = try await second.take(2)
        #expect(Set(rest.map(\.payload)) == Set(items.suffix(2).map(\.payload)))
        try await second.end(items.prefix(2) + rest, Outcome(.done))
        try await broker.settled()
        #expect(second.items.all.count == 2)
        try await broker.stop()
    }
}
