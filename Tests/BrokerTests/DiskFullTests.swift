// SPDX-License-Identifier: Apache-2.0
import Control
import NIOCore
import NIOPosix
import QueueCore
import QueueStore
import TestSupport
import Testing

@testable import Broker

/// The store may have 1 MiB in these tests.
@Suite struct DiskFullTests {
    private static let maxPages = 256
    private static let padding = String(repeating: ".", count: 8000)

    /// Sends until the disk is full; returns the number of items that have a receipt.
    private func fill(_ broker: BrokerHarness, _ head: String) async throws -> Int {
        let client = try await broker.stomp()
        var sent = 0
        while sent < 1000 {
            try await client.send("SEND\n\(head)\nreceipt:\(sent)\n\n\(sent)\(Self.padding)\0")
            let answer = try await client.frame()
            if answer.command == "ERROR" {
                #expect(answer["message"] == "disk-full")
                #expect(answer.text.contains("the disk is full"))
                try await client.closed()
                return sent
            }
            #expect(answer.command == "RECEIPT")
            #expect(answer["receipt-id"] == "\(sent)")
            sent += 1
        }
        throw TestSupportError.missing("a full disk")
    }

    private func number(_ text: String) -> Int? { Int(text.prefix { $0 != "." }) }

    @Test("A full disk is an ERROR and no receipt; what had one is there, and there is room once it is taken")
    func plainQueue() async throws {
        let broker = try await BrokerHarness(maxPages: Self.maxPages)
        let count = try await fill(broker, "destination:/queue/a")
        #expect(count > 20)
        let consumer = try await broker.stomp()
        try await consumer.send("SUBSCRIBE\nid:s\ndestination:/queue/a\nack:client-individual\n\n\0")
        for wanted in 0..<count {
            let frame = try await consumer.frame()
            #expect(number(frame.text) == wanted)
            try await consumer.send("ACK\nid:\(frame["ack"] ?? "")\n\n\0")
        }
        try await broker.settled()
        let producer = try await broker.stomp()
        try await producer.send("SEND", ["destination": "/queue/a", "receipt": "r"], body: "again\(Self.padding)")
        try await producer.receipt("r")
        #expect(try await consumer.frame().text.hasPrefix("again"))
        try await broker.stop()
    }

    @Test("After DISCONNECT too a full disk is told, in place of the receipts") func disconnected() async throws {
        let broker = try await BrokerHarness(maxPages: Self.maxPages)
        _ = try await fill(broker, "destination:/queue/a")
        let client = try await broker.stomp()
        try await client.send(
            "SEND\ndestination:/queue/a\nreceipt:1\n\n\(Self.padding)\0DISCONNECT\nreceipt:2\n\n\0"
        )
        #expect(try await client.frame()["message"] == "disk-full")
        try await client.closed()
        #expect(client.frames.all.allSatisfy { $0.command != "RECEIPT" })
        try await broker.stop()
    }

    @Test("A COMMIT that finds the disk full has sent and acknowledged nothing") func commit() async throws {
        let broker = try await BrokerHarness(maxPages: Self.maxPages)
        let client = try await broker.stomp()
        try await client.send("SEND", ["destination": "/queue/first", "receipt": "r"], body: "first")
        try await client.receipt("r")
        _ = try await fill(broker, "destination:/queue/a")
        try await client.send("SUBSCRIBE\nid:s\ndestination:/queue/first\nack:client\n\n\0")
        let frame = try await client.frames.first("the item") { $0.command == "MESSAGE" }
        try await client.send("BEGIN\ntransaction:t\n\n\0ACK\nid:\(frame["ack"] ?? "")\ntransaction:t\n\n\0")
        for _ in 0..<3 {
            try await client.send("SEND\ndestination:/queue/a\ntransaction:t\n\n\(Self.padding)\0")
        }
        try await client.send("COMMIT\ntransaction:t\nreceipt:c\n\n\0")
        let error = try await client.frames.first("an ERROR") { $0.command == "ERROR" }
        #expect(error["message"] == "disk-full")
        try await client.closed()
        let other = try await broker.stomp()
        try await other.send("SUBSCRIBE\nid:s\ndestination:/queue/first\nack:client\n\n\0")
        #expect(try await other.frame().text == "first")
        try await broker.stop()
    }

    @Test("Deliveries go on while the disk is full of what producers sent: each once, and then there is room again")
    func deliveriesGoOn() async throws {
        let broker = try await BrokerHarness(maxPages: Self.maxPages) { $0.historyMs = 0 }
        let count = try await fill(broker, "destination:/queue/statusnet/main\nsite:alice\nqueue:out")
        #expect(count > 20)
        let worker = try await broker.worker([("out", 4)])
        var seen: [Int?] = []
        for _ in 0..<count {
            let item = try await worker.next()
            seen.append(number(item.payload))
            // Outcomes that take room, too.
            let outcome =
                seen.count % 5 == 0
                ? .kept(String(repeating: "gone ", count: 20))
                : Outcome(.done)
            try await worker.end(item, outcome)
        }
        #expect(seen == (0..<count).map(Optional.init))
        try await broker.settled()
        #expect(try await broker.onLoop { $0.dispatcher.isHoldingWrites } == false)
        #expect(worker.items.all.count == count, "none was repeated")
        #expect(try await broker.command("dead.list").result?["items"]?.array?.count == count / 5)
        #expect(try await broker.command("dead.drop").result?["count"]?.int == Int64(count / 5))
        let producer = try await broker.stomp()
        try await producer.send("SEND", ["destination": "/queue/a", "receipt": "r"], body: "again\(Self.padding)")
        try await producer.receipt("r")
        try await broker.stop()
    }

    @Test("Where not even outcomes find room, nothing is handed out twice, and with room it goes on where it was")
    func whollyFull() async throws {
        let broker = try await BrokerHarness(maxPages: Self.maxPages)
        let count = try await fill(broker, "destination:/queue/statusnet/main\nsite:alice\nqueue:out")
        let worker = try await broker.worker([("out", 2)])
        let first = [try await worker.next(), try await worker.next()]
        // Somebody else takes the last of the disk: all that is kept for outcomes.
        let ballast = try await broker.fillReserve()
        let text = String(repeating: "a sentence that needs room ", count: 1000)
        for item in first { try await worker.end(item, .kept(text)) }
        try await eventually("outcomes that can't be written") {
            try await broker.onLoop { $0.dispatcher.isHoldingWrites }
        }
        let status = try await broker.command("status").result
        #expect(status?["needs"]?.array?.first?.string?.contains("disk is full") == true)
        // No more than what took the place of the two before their outcomes failed.
        #expect(worker.items.all.count <= 4)
        try await broker.remove(ballast)
        var seen = first.map { number($0.payload) }
        while seen.count < count {
            let item = try await worker.next()
            seen.append(number(item.payload))
            try await worker.end(item, Outcome(.done))
        }
        #expect(seen == (0..<count).map(Optional.init))
        try await broker.settled()
        #expect(worker.items.all.count == count)
        #expect(try await broker.command("dead.list").result?["items"]?.array?.count == 2)
        try await broker.stop()
    }

    @Test("Outcomes that can't be written are kept in order and written later; nothing is handed out meanwhile")
    func heldWrites() async throws {
        let broker = try await BrokerHarness()
        let client = try await broker.stomp()
        for number in 0..<3 {
            try await client.send(
                "SEND",
                ["destination": "/queue/statusnet/main", "site": "alice", "queue": "out", "receipt": "\(number)"],
                body: "\(number)"
            )
            try await client.receipt("\(number)")
        }
        let worker = try await broker.worker([("out", 1)])
        let first = try await worker.next()
        // As after a failed write: the next outcome waits behind it.
        try await broker.onLoop { $0.dispatcher.isHoldingWrites = true }
        try await worker.end(first, Outcome(.done))
        try await eventually("the outcome came in") { try await broker.claimed() == 0 }
        let waits = try await broker.onLoop { core in
            core.dispatcher.flushWrites()
            return core.dispatcher.batch.finished.count
        }
        #expect(waits == 1)
        #expect(worker.items.all.count == 1)
        try await broker.onLoop { core in
            core.dispatcher.isHoldingWrites = false
            core.dispatcher.touchAll()
        }
        #expect(try await worker.next().payload == "1")
        try await broker.stop()
    }
}

extension BrokerHarness {
    /// Takes all pages that are left, those for outcomes too; returns the items that hold them.
    fileprivate func fillReserve() async throws -> [Int64] {
        var ids: [Int64] = []
        for size in [40_000, 8000, 2000, 200, 20] {
            while ids.count < 2000 {
                let payload = [UInt8](repeating: UInt8(ascii: "b"), count: size)
                let id = try await write { (transaction) throws(QueueStoreError) -> Int64 in
                    var item = Incoming(queue: "/queue/ballast", site: "", payload: payload, enqueuedMs: 1)
                    // Far away: it takes room, and nobody looks at it.
                    item.dueMs = Int64.max / 2
                    guard case .stored(let row) = try transaction.insert(item, nowMs: 0, dedupeSince: 0) else {
                        return 0
                    }
                    return row.id
                }
                guard let id else { break }
                ids.append(id)
            }
        }
        return ids
    }

    fileprivate func remove(_ ids: [Int64]) async throws {
        _ = try await write { (transaction) throws(QueueStoreError) -> Int64 in
            for id in ids { try transaction.remove(id) }
            return 0
        }
    }

    /// nil: the disk is full.
    private func write(
        _ work: @escaping @Sendable (StoreTransaction) throws(QueueStoreError) -> Int64
    ) async throws -> Int64? {
        let loop = group.next()
        let promise = loop.makePromise(of: Int64?.self)
        try await onLoop { core in
            core.store.write(as: .upkeep, work) { result in
                switch result {
                case .success(let id): promise.succeed(id)
                case .failure(.diskFull): promise.succeed(nil)
                case .failure(let error): promise.fail(error)
                }
            }
        }
        return try await promise.futureResult.get()
    }
}
