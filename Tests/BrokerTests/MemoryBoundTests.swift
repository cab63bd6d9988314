// SPDX-License-Identifier: Apache-2.0
import Control
import QueueCore
import QueueStore
import TestSupport
import Testing

@testable import Broker

/// What waits is in the store; what is in memory doesn't grow with it.
@Suite struct MemoryBoundTests {
    private func fill(
        _ broker: BrokerHarness,
        count: Int,
        sites: [String] = ["alice"],
        _ make: @escaping @Sendable (Int, inout Incoming) -> Void = { _, _ in }
    ) async throws {
        let done = EventLog<QueueStoreError?>()
        let chunks = (count + 999) / 1000
        for start in stride(from: 0, to: count, by: 1000) {
            try await broker.onLoop { core in
                let items = (start..<min(count, start + 1000)).map { number in
                    var item = core.own(
                        site: sites[number % sites.count],
                        queue: "out",
                        payload: Array("\(number)".utf8),
                        nowMs: core.clock.wallMs
                    )
                    make(number, &item)
                    return item
                }
                core.enqueue(items) { done.append($0) }
            }
        }
        let errors = try await done.first(chunks, within: .seconds(60), "groups on disk")
        #expect(errors.allSatisfy { $0 == nil })
    }

    private func inMemory(_ broker: BrokerHarness) async throws -> Int {
        try await broker.onLoop { core in
            core.dispatcher.lines.values.reduce(0) { sum, line in line.sources.values.reduce(sum) { $0 + $1.waiting } }
        }
    }

    @Test("Of 100,000 waiting items a few thousand are in memory, and all come out in order")
    func items() async throws {
        let broker = try await BrokerHarness()
        try await fill(broker, count: 100_000)
        #expect(try await inMemory(broker) <= 4096)
        let worker = try await broker.worker([("out", 500)])
        var next = 0
        while next < 5000 {
            let item = try await worker.next()
            #expect(item.payload == "\(next)")
            next += 1
            try await worker.end(item, Outcome(.done))
        }
        #expect(try await inMemory(broker) <= 4096)
        try await broker.stop()
    }

    @Test("After a restart too, and with many sources each has less") func restart() async throws {
        let sites = (0..<200).map { "site\($0)" }
        let change: @Sendable (inout BrokerConfiguration) -> Void = { configuration in
            let plugin = configuration.plugins[0].name
            configuration.sites = sites.map {
                SiteEntry(nickname: SiteName(unchecked: $0), server: "\($0).example", plugins: [plugin])
            }
        }
        let broker = try await BrokerHarness(change: change)
        try await fill(broker, count: 100_000, sites: sites)
        try await broker.crash()
        let second = try await BrokerHarness(directory: broker.directory, change: change)
        let worker = try await second.worker([("out", 100)])
        _ = try await worker.next()
        // 65,536 over all, and a page more for each source that reads.
        #expect(try await inMemory(second) <= 2 * 65_536)
        try await second.stop()
    }

    @Test("Large items are bounded by their octets") func octets() async throws {
        let broker = try await BrokerHarness()
        let large = [UInt8](repeating: UInt8(ascii: "x"), count: 512 << 10)
        for _ in 0..<4 { try await fill(broker, count: 20) { _, item in item.payload = large } }
        #expect(try await inMemory(broker) <= 10)
        let worker = try await broker.worker([("out", 4)])
        for _ in 0..<80 {
            let item = try await worker.next()
            #expect(item.payload.utf8.count == large.count)
            try await worker.end(item, Outcome(.done))
        }
        try await broker.stop()
    }

    @Test("Targets that are down leave memory, and come up again when their time comes") func lanes() async throws {
        let clock = VirtualBrokerClock()
        let broker = try await BrokerHarness(clock: clock)
        let count = 2000
        try await fill(broker, count: count) { number, item in item.target = "http://r.example/\(number)" }
        let worker = try await broker.worker([("out", 200)])
        for _ in 0..<count {
            let item = try await worker.next()
            try await worker.end(item, Outcome(.retry, reason: .network, text: "refused"))
        }
        try await broker.settled()
        try await eventually("no lane is in memory") { try await broker.onLoop { $0.dispatcher.lanes.isEmpty } }
        #expect(try await broker.onLoop { $0.dispatcher.shutLanes.count } == count)
        #expect(try await inMemory(broker) == 0)
        var seen: Set<String> = []
        while seen.count < count {
            // Probes are retries: the budget lets so many go in a second.
            try await broker.advance(clock, ms: 4000)
            repeat {
                let item = try await worker.next()
                seen.insert(item.payload)
                try await worker.end(item, Outcome(.done))
            } while worker.items.all.count > count + seen.count
        }
        try await broker.settled()
        try await eventually("their rows are gone") {
            let shut = try await broker.onLoop { $0.dispatcher.shutLanes.count }
            let lanes = try await broker.command("status").result?["lanes"]?.array
            return shut == 0 && lanes?.isEmpty == true
        }
        try await broker.stop()
    }
}
