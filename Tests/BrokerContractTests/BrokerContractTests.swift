// SPDX-License-Identifier: Apache-2.0
import QueueCore
import TestSupport
import Testing
import WorkerLink

/// What a worker may rely on, whichever broker keeps its items: claims, outcomes, chunks.
///
/// Only what goes through `BrokerPort`; what is the embedded broker's own is tested beside it.
@Suite struct BrokerContractTests {
    // MARK: - Claims

    @Test("An item comes as it was enqueued, once", arguments: BrokerKind.allCases)
    func claim(kind: BrokerKind) async throws {
        try await kind.run { broker in
            let worker = try await ContractWorker(broker)
            let new = NewItem("own part", target: "t") { $0.shared = Array("shared part".utf8) }
            try await worker.enqueue("alice", new, NewItem("plain"))
            let items = try await worker.next(2).sorted { $0.payload < $1.payload }
            #expect(items.map(\.payload) == ["own part", "plain"])
            #expect(items.map(\.shared) == ["shared part", ""])
            #expect(items.map(\.lane) == ["t", ""])
            #expect(Set(items.map(\.delivered.id)).count == 2)
            #expect(Set(items.map(\.delivered.item)).count == 2)
            for item in items {
                #expect(item.delivered.site.rawValue == "alice" && item.delivered.queue.rawValue == "out")
                #expect(item.delivered.attempt == 1 && item.delivered.kills == 0)
                #expect(item.delivered.flags.isEmpty && item.cursor.isEmpty)
            }
        }
    }

    @Test(
        "A worker has no more than its credit, and the next item for each that it settles",
        arguments: BrokerKind.allCases
    )
    func credit(kind: BrokerKind) async throws {
        try await kind.run { broker in
            let worker = try await ContractWorker(broker, credits: ["out": 2, "ordered": 1])
            for number in 0..<5 { try await worker.enqueue("alice", NewItem("\(number)")) }
            var held = try await worker.next(2)
            // Of another queue: had there been room, a third one would have come before it.
            try await worker.enqueue("alice", NewItem("other", queue: "ordered"))
            #expect(try await worker.next().payload == "other")
            for wanted in 3...5 {
                try await worker.settle(held.removeFirst(), Outcome(.done))
                held.append(try await worker.next())
                #expect(worker.items.all.count == wanted + 1)
            }
            #expect(Set(worker.items.all.map(\.payload)) == ["0", "1", "2", "3", "4", "other"])
        }
    }

    @Test("A higher priority goes first, and within one the older item", arguments: BrokerKind.allCases)
    func priority(kind: BrokerKind) async throws {
        try await kind.run { broker in
            let worker = try await ContractWorker(broker, credits: ["out": 1])
            try await worker.enqueue("alice", NewItem("blocks"))
            let first = try await worker.next()
            for (name, priority) in [("a", 2), ("b", 4), ("c", 9), ("d", 4), ("e", 9)] {
                try await worker.enqueue("alice", NewItem(name) { $0.priority = UInt8(priority) })
            }
            try await worker.settle(first, Outcome(.done))
            var order: [String] = []
            for _ in 0..<5 {
                let item = try await worker.next()
                order.append(item.payload)
                try await worker.settle(item, Outcome(.done))
            }
            #expect(order == ["c", "e", "b", "d", "a"])
        }
    }

    @Test("A delayed item waits for its time", arguments: BrokerKind.allCases)
    func delay(kind: BrokerKind) async throws {
        try await kind.run { broker in
            let worker = try await ContractWorker(broker)
            try await worker.enqueue(
                "alice",
                NewItem("late") { $0.delayMs = 300 },
                NewItem("never") { $0.delayMs = .long },
                NewItem("now")
            )
            #expect(try await worker.next(2).map(\.payload) == ["now", "late"])
            #expect(worker.items.all.count == 2)
        }
    }

    @Test("One dedupe key in one site and queue is one item, also once that was done", arguments: BrokerKind.allCases)
    func dedupe(kind: BrokerKind) async throws {
        try await kind.run { broker in
            let worker = try await ContractWorker(broker)
            func keyed(_ payload: String, queue: String = "out") -> NewItem {
                NewItem(payload, queue: queue) { $0.dedupeKey = "k" }
            }
            try await worker.enqueue("alice", keyed("1"), keyed("2"))
            let first = try await worker.next()
            #expect(first.payload == "1")
            try await worker.enqueue("alice", keyed("3"))
            try await worker.settle(first, Outcome(.done))
            try await worker.enqueue("alice", keyed("4"))
            try await worker.enqueue("bob", keyed("5"))
            try await worker.enqueue("alice", keyed("6", queue: "stage"))
            #expect(Set(try await worker.next(2).map(\.payload)) == ["5", "6"])
        }
    }

    // MARK: - Outcomes

    @Test(
        "A retry comes again and counts as an attempt, and may say that it may have been delivered",
        arguments: BrokerKind.allCases
    )
    func retry(kind: BrokerKind) async throws {
        try await kind.run { broker in
            let worker = try await ContractWorker(broker)
            try await worker.enqueue("alice", NewItem("x"))
            try await worker.settle(try await worker.next(), Outcome.again(after: 1))
            let second = try await worker.next()
            #expect(second.payload == "x" && second.delivered.attempt == 2 && !second.isMaybeDuplicate)
            var outcome = Outcome.again(after: 1)
            outcome.maybeDelivered = true
            try await worker.settle(second, outcome)
            let third = try await worker.next()
            #expect(third.delivered.attempt == 3 && third.isMaybeDuplicate)
            #expect(third.delivered.item == second.delivered.item && third.delivered.id != second.delivered.id)
        }
    }

    @Test(
        "A deferred item, and one that is given back, come again and count no attempt",
        arguments: BrokerKind.allCases,
        [OutcomeCode.defer, .giveBack]
    )
    func uncounted(kind: BrokerKind, code: OutcomeCode) async throws {
        try await kind.run { broker in
            let worker = try await ContractWorker(broker)
            try await worker.enqueue("alice", NewItem("x"))
            for _ in 0..<3 { try await worker.settle(try await worker.next(), Outcome.again(after: 1, code)) }
            let item = try await worker.next()
            #expect(item.payload == "x" && item.delivered.attempt == 1 && item.delivered.kills == 0)
        }
    }

    @Test(
        "A missed deadline is a kill: the item comes again, to a hunter where there is one",
        arguments: BrokerKind.allCases
    )
    func overdue(kind: BrokerKind) async throws {
        try await kind.run { broker in
            let worker = try await ContractWorker(broker)
            try await worker.enqueue("alice", NewItem("x"))
            try await worker.settle(try await worker.next(), Outcome(.overdue))
            try await worker.stop()
            let other = try await ContractWorker(broker, isHunter: true)
            let item = try await other.next()
            #expect(item.payload == "x" && item.delivered.kills == 1 && item.delivered.attempt == 1)
            #expect(item.delivered.flags.contains(.afterCrash))
            #expect(worker.items.all.count == 1)
        }
    }

    @Test("What is done or discarded is over, also for the next link", arguments: BrokerKind.allCases)
    func over(kind: BrokerKind) async throws {
        try await kind.run { broker in
            let worker = try await ContractWorker(broker)
            try await worker.enqueue("alice", NewItem("a"), NewItem("b"), NewItem("c"))
            var kept = Outcome(.discard, reason: .gone)
            kept.keep = true
            let outcomes = ["a": Outcome(.done), "b": Outcome(.discard, reason: .gone), "c": kept]
            for item in try await worker.next(3) {
                try await worker.settle(item, try #require(outcomes[item.payload]))
            }
            try await worker.enqueue("alice", NewItem("d"))
            #expect(try await worker.next().payload == "d")
            try await broker.breakLinks()
            let item = try await worker.next()
            #expect(item.payload == "d" && item.isMaybeDuplicate)
            try await worker.settle(item, Outcome(.done))
            try await worker.enqueue("alice", NewItem("e"))
            #expect(try await worker.next().payload == "e")
        }
    }

    @Test(
        "What is in a handler when the link breaks, or the broker ends, stays the worker's, and its outcome counts",
        arguments: BrokerKind.allCases
    )
    func goesOn(kind: BrokerKind) async throws {
        try await kind.run { broker in
            let worker = try await ContractWorker(broker, goesOn: true)
            let names = ["done", "again", "gone"]
            for name in names {
                try await worker.enqueue("alice", NewItem(name, target: "t \(name)") { $0.dedupeKey = name })
            }
            let items = try await worker.next(3)
            try await broker.breakLinks()
            try await eventually("a second link") { worker.links.all.count { $0 == "connected" } == 2 }
            let outcomes = [Outcome(.done), Outcome.again(after: 1), Outcome(.discard, reason: .gone)]
            for (name, outcome) in zip(names, outcomes) {
                let item = try #require(items.first { $0.payload == name })
                try await worker.settle(item, outcome)
            }
            // Its first attempt counted, and the others have ended.
            let again = try await worker.next()
            #expect(again.payload == "again" && again.delivered.attempt == 2)
            #expect(Set(items.map(\.delivered.id)).isDisjoint(with: [again.delivered.id]))
            try await worker.settle(again, Outcome(.done))
            try await worker.enqueue("alice", NewItem("last"))
            #expect(try await worker.next().payload == "last")
            #expect(worker.items.all.count == 5)
        }
    }

    // MARK: - Stage 1

    @Test("A chunk and its cursor come together; what a retry staged is dropped", arguments: BrokerKind.allCases)
    func chunks(kind: BrokerKind) async throws {
        try await kind.run { broker in
            let worker = try await ContractWorker(broker, credits: ["stage": 1, "out": 64])
            func target(_ name: String) -> NewItem {
                NewItem(name, target: name) { item in
                    item.shared = Array("notice".utf8)
                    item.dedupeKey = name
                }
            }
            try await worker.enqueue("alice", NewItem("notice", queue: "stage"))
            var more = Outcome(.continue)
            more.cursor = Array("after t2".utf8)
            try await worker.settle(try await worker.next(), more, staging: [target("t1"), target("t2")])
            let chunk = try await worker.next(3).sorted { $0.payload < $1.payload }
            #expect(chunk.map(\.payload) == ["notice", "t1", "t2"])
            #expect(chunk.map(\.shared) == ["", "notice", "notice"])
            #expect(chunk[0].cursor == "after t2" && chunk[0].delivered.attempt == 1)
            #expect(chunk.dropFirst().allSatisfy { $0.delivered.site.rawValue == "alice" && $0.cursor.isEmpty })
            try await worker.settle(chunk[0], Outcome.again(after: 1), staging: [target("t3")])
            let repeated = try await worker.next()
            #expect(repeated.cursor == "after t2" && repeated.delivered.attempt == 2)
            // The second time is the first of t3; t2 is there already.
            try await worker.settle(repeated, Outcome(.done), staging: [target("t2"), target("t3"), target("t4")])
            #expect(Set(try await worker.next(2).map(\.payload)) == ["t3", "t4"])
            try await worker.enqueue("alice", NewItem("next", queue: "stage"))
            #expect(try await worker.next().payload == "next")
        }
    }
}
