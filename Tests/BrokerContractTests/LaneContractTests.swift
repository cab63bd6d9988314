// SPDX-License-Identifier: Apache-2.0
import QueueCore
import TestSupport
import Testing
import WorkerLink

/// The contract's other half: lanes and holds, sites, links.
@Suite struct LaneContractTests {
    @Test(
        "An ordered lane has one in flight, in order, over retries and over what is given back",
        arguments: BrokerKind.allCases
    )
    func order(kind: BrokerKind) async throws {
        try await kind.run { broker in
            let worker = try await ContractWorker(broker)
            for number in 0..<12 {
                try await worker.enqueue("alice", NewItem("\(number)", queue: "ordered", target: "t"))
            }
            var order: [String] = []
            var seen = 0
            while order.count < 12 {
                let item = try await worker.next()
                seen += 1
                #expect(worker.items.all.count == seen, "two of a lane are in flight")
                switch seen % 4 {
                case 1: try await worker.settle(item, Outcome.again(after: 1))
                case 2: try await worker.settle(item, Outcome(.giveBack))
                default:
                    order.append(item.payload)
                    try await worker.settle(item, Outcome(.done))
                }
            }
            #expect(order == (0..<12).map(String.init))
        }
    }

    @Test("A hold keeps back a lane, or a queue of a site, until it is taken away", arguments: BrokerKind.allCases)
    func hold(kind: BrokerKind) async throws {
        try await kind.run { broker in
            let worker = try await ContractWorker(broker)
            for target in ["t1", "t2"] {
                try await worker.enqueue("alice", NewItem("first", target: target))
                try await worker.settle(try await worker.next(), Outcome(.done))
            }
            try await worker.hold("alice", "out", lane: "t1", ms: .long)
            try await worker.enqueue("alice", NewItem("1", target: "t1"))
            try await worker.enqueue("alice", NewItem("2", target: "t2"))
            #expect(try await worker.next().payload == "2")
            try await worker.hold("alice", "out", lane: "t1", ms: 0)
            #expect(try await worker.next().payload == "1")
            try await worker.hold("alice", "out", ms: .long)
            try await worker.enqueue("alice", NewItem("3", target: "t2"))
            try await worker.enqueue("bob", NewItem("4", target: "t2"))
            #expect(try await worker.next().payload == "4")
            try await worker.hold("alice", "out", ms: 0)
            #expect(try await worker.next().payload == "3")
        }
    }

    @Test("A queue is held before it has had an item, as by a site that connects", arguments: BrokerKind.allCases)
    func holdOfNothing(kind: BrokerKind) async throws {
        try await kind.run { broker in
            let worker = try await ContractWorker(broker)
            try await worker.hold("alice", "out", ms: .long)
            try await worker.hold("bob", "out", ms: .long)
            try await worker.hold("bob", "out", ms: 0)
            try await worker.enqueue("alice", NewItem("1"))
            try await worker.enqueue("bob", NewItem("2"))
            #expect(try await worker.next().payload == "2")
            try await worker.hold("alice", "out", ms: 0)
            #expect(try await worker.next().payload == "1")
        }
    }

    @Test("An outcome may hold its item's lane", arguments: BrokerKind.allCases)
    func outcomeHolds(kind: BrokerKind) async throws {
        try await kind.run { broker in
            let worker = try await ContractWorker(broker)
            try await worker.enqueue("alice", NewItem("1", target: "t1"))
            var outcome = Outcome(.done)
            outcome.holdMs = .long
            try await worker.settle(try await worker.next(), outcome)
            try await worker.enqueue("alice", NewItem("2", target: "t1"))
            try await worker.enqueue("alice", NewItem("3", target: "t2"))
            #expect(try await worker.next().payload == "3")
            try await worker.hold("alice", "out", lane: "t1", ms: 0)
            #expect(try await worker.next().payload == "2")
        }
    }

    @Test("A refused site sends nothing until it is accepted; all are refused for good", arguments: BrokerKind.allCases)
    func refuse(kind: BrokerKind) async throws {
        try await kind.run { broker in
            let worker = try await ContractWorker(broker)
            try await worker.refuse("alice")
            try await worker.enqueue("alice", NewItem("1"))
            try await worker.enqueue("bob", NewItem("2"))
            #expect(try await worker.next().payload == "2")
            try await worker.accept("alice")
            #expect(try await worker.next().payload == "1")
            try await worker.refuse()
            try await worker.enqueue("bob", NewItem("3"))
            let other = try await ContractWorker(broker)
            #expect(try await other.next().payload == "3")
            #expect(worker.items.all.count == 2)
        }
    }

    // MARK: - Links

    @Test(
        "What was in flight on a broken link comes again, as maybe a duplicate; refusals stay",
        arguments: BrokerKind.allCases
    )
    func broken(kind: BrokerKind) async throws {
        try await kind.run { broker in
            let worker = try await ContractWorker(broker)
            try await worker.enqueue("alice", NewItem("1"), NewItem("2"))
            #expect(try await worker.next(2).allSatisfy { !$0.isMaybeDuplicate })
            try await worker.refuse("bob")
            try await worker.enqueue("bob", NewItem("3"))
            try await broker.breakLinks()
            let again = try await worker.next(2)
            #expect(Set(again.map(\.payload)) == ["1", "2"])
            #expect(again.allSatisfy { $0.isMaybeDuplicate && $0.delivered.attempt == 1 && $0.delivered.kills == 0 })
            _ = try await worker.links.first(3)
            #expect(worker.links.all == ["connected", "interrupted", "connected"])
            for item in again { try await worker.settle(item, Outcome(.done)) }
            try await worker.enqueue("alice", NewItem("4"))
            #expect(try await worker.next().payload == "4")
        }
    }

    @Test("What was settled before a stop counts", arguments: BrokerKind.allCases)
    func stop(kind: BrokerKind) async throws {
        try await kind.run { broker in
            let worker = try await ContractWorker(broker)
            try await worker.enqueue("alice", NewItem("1"), NewItem("2"))
            for item in try await worker.next(2) { try await worker.settle(item, Outcome(.done)) }
            try await worker.stop()
            let other = try await ContractWorker(broker)
            try await other.enqueue("alice", NewItem("3"))
            #expect(try await other.next().payload == "3")
        }
    }
}
