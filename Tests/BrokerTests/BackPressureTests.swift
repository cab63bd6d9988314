// SPDX-License-Identifier: Apache-2.0
import Control
import Dispatch
import QueueStore
import TestSupport
import Testing

@testable import Broker

@Suite struct BackPressureTests {
    private static let count = 600
    private static let body = [UInt8](repeating: UInt8(ascii: "x"), count: 64 << 10)

    @Test("A producer that is faster than the disk is slowed, memory stays bounded, and nothing is dropped")
    func slowStore() async throws {
        let broker = try await BrokerHarness()
        // The store's thread stands still until the gate opens.
        let gate = DispatchSemaphore(value: 0)
        // A failure must not leave the store's thread, and with it the whole run, waiting.
        defer { gate.signal() }
        try await broker.onLoop { core in
            core.store.write { (_) throws(QueueStoreError) in
                gate.wait()
            } completion: { _ in
            }
        }
        let client = try await broker.stomp()
        let flood = Task {
            for number in 1...Self.count {
                try await client.send(
                    "SEND",
                    ["destination": "/queue/flood", "receipt": "\(number)"],
                    body: Self.body
                )
            }
        }
        try await eventually("the producer has sent more than is taken in") {
            try await broker.onLoop { $0.unstoredBytes } > 4 << 20
        }
        // What one read brings may come on top of the bound.
        for _ in 0..<200 {
            let unstored = try await broker.onLoop { $0.unstoredBytes }
            #expect(unstored < 6 << 20)
        }
        #expect(client.frames.all.allSatisfy { $0.command != "RECEIPT" })
        gate.signal()
        try await flood.value
        try await client.receipt("\(Self.count)", within: .seconds(60))
        let queues = try await broker.command("status").result?["queues"]?.array
        let row = queues?.first { $0["queue"]?.string == "/queue/flood" }
        #expect(row?["ready"]?.int == Int64(Self.count))
        #expect(try await broker.onLoop { $0.unstoredBytes } == 0)
        try await broker.stop()
    }

    @Test("A producer that is slowed holds up no other") func other() async throws {
        let broker = try await BrokerHarness()
        let client = try await broker.stomp()
        let flood = Task {
            for _ in 1...Self.count {
                try await client.send("SEND", ["destination": "/queue/flood"], body: Self.body)
            }
        }
        let other = try await broker.stomp()
        for number in 0..<20 {
            try await other.send("SEND", ["destination": "/queue/a", "receipt": "\(number)"], body: "x")
            try await other.receipt("\(number)")
        }
        try await flood.value
        try await broker.stop()
    }
}
