// SPDX-License-Identifier: Apache-2.0
import NIOCore
import QueueCore
import Testing
import WorkerLink

@Suite struct LinkCodecTests {
    /// Encodes, decodes byte by byte and encodes again: the same bytes mean that nothing was lost.
    private func roundTrip(_ message: LinkMessage) throws -> LinkMessage {
        var bytes = ByteBuffer()
        LinkCodec.encode(message, into: &bytes)
        var partial = ByteBuffer()
        for index in bytes.readableBytesView.indices.dropLast() {
            partial.writeInteger(bytes.readableBytesView[index])
            #expect(try LinkCodec.decode(from: &partial) == nil)
        }
        var whole = bytes
        let decoded = try #require(try LinkCodec.decode(from: &whole))
        #expect(whole.readableBytes == 0)
        var again = ByteBuffer()
        LinkCodec.encode(decoded, into: &again)
        #expect(again == bytes)
        return decoded
    }

    @Test("A hello keeps every field") func hello() throws {
        var hello = LinkHello(
            plugin: PluginName(unchecked: "omb"),
            pluginVersion: "1.2",
            generation: 3,
            pid: 77,
            journalPath: "j",
            isHunter: true,
            queues: Self.queues
        )
        hello.lastDelivery = 1 << 40
        hello.held = [
            HeldDelivery(id: 1, item: 2, place: 3, attempt: 4),
            HeldDelivery(id: .max, item: 5, place: -6, attempt: .max),
        ]
        guard case .hello(let back) = try roundTrip(.hello(hello)) else { throw LinkError.badValue("kind") }
        #expect(back == hello)
    }

    private static let queues = [
        QueueCredit(queue: QueueName(unchecked: "ombout"), credit: 512),
        QueueCredit(queue: QueueName(unchecked: "omb"), credit: 1, sites: .only(SiteName(unchecked: "alice"))),
        QueueCredit(
            queue: QueueName(unchecked: "profile"),
            credit: 2,
            sites: .except([SiteName(unchecked: "alice"), SiteName(unchecked: "bob")])
        ),
    ]

    @Test("What a worker serves keeps the sites of each queue") func serve() throws {
        guard case .serve(let back) = try roundTrip(.serve(Self.queues)) else { throw LinkError.badValue("kind") }
        #expect(back == Self.queues)
    }

    @Test("Results keep outcome, staged items and one copy of a shared body") func results() throws {
        var outcome = Outcome(.continue, reason: .rate, text: "slow down")
        outcome.keep = true
        outcome.maybeDelivered = true
        outcome.delayMs = 5
        outcome.holdMs = 6
        outcome.holdLane = "lane"
        outcome.cursor = [0, 1, 255]
        var staged: [NewItem] = []
        for number in 0..<3 {
            var item = NewItem(queue: QueueName(unchecked: "out"), payload: [UInt8(number)])
            item.shared = number == 2 ? [] : Array(repeating: 7, count: 5000)
            item.dedupeKey = "k\(number)"
            item.target = "http://r.example/\(number)"
            item.lane = "l"
            item.delayMs = 9
            item.priority = 7
            item.expiresMs = 1_900_000_000_000
            staged.append(item)
        }
        let results = [
            ItemResult(id: 1, outcome: Outcome(.done), elapsedUs: 4),
            ItemResult(id: 2, outcome: outcome, staged: staged, elapsedUs: 5),
        ]
        guard case .results(let back) = try roundTrip(.results(results)) else { throw LinkError.badValue("kind") }
        #expect(back == results)
        var bytes = ByteBuffer()
        LinkCodec.encode(.results(results), into: &bytes)
        #expect(bytes.readableBytes < 6000)
    }

    @Test("A delivered batch keeps its items and their bytes") func deliver() throws {
        var item = DeliveredItem(
            id: 9,
            item: 8,
            site: SiteName(unchecked: "alice"),
            queue: QueueName(unchecked: "ombout")
        )
        item.payload = ByteSpan(offset: 0, count: 3)
        item.shared = ByteSpan(offset: 3, count: 2)
        item.attempt = 4
        item.kills = 1
        item.flags = [.maybeDuplicate, .lastTry]
        item.enqueuedMs = 12
        item.timeoutMs = 13
        let batch = DeliveredBatch(bytes: ByteBuffer(string: "abcde"), items: [item, item])
        guard case .deliver(let back) = try roundTrip(.deliver(batch)) else { throw LinkError.badValue("kind") }
        #expect(back.items == batch.items)
        #expect(back.bytes == batch.bytes)
    }

    @Test("The small messages come back as they were", arguments: 0..<5) func small(_ number: Int) throws {
        let site = SiteName(unchecked: "a")
        let messages: [LinkMessage] = [
            .enqueue(request: 3, site: site, [NewItem(queue: QueueName(unchecked: "q"), payload: [1])]),
            .hold(site: site, queue: QueueName(unchecked: "q"), lane: "l", ms: 5, text: "t"),
            .refuse([site]), .enqueued(request: 3, error: "no"), .cancel([1, 2]),
        ]
        _ = try roundTrip(messages[number])
    }

    @Test("Random bytes are an error or need more, never a trap") func random() {
        var generator = SystemRandomNumberGenerator()
        let seed = UInt64.random(in: 0..<UInt64.max, using: &generator)
        print("seed \(seed)")
        var state = seed
        for _ in 0..<20_000 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let count = Int(state >> 58)
            var buffer = ByteBuffer()
            buffer.writeInteger(UInt32(count), endianness: .little)
            for _ in 0..<count {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                buffer.writeInteger(UInt8(truncatingIfNeeded: (state >> 33) % 12))
            }
            _ = try? LinkCodec.decode(from: &buffer)
        }
    }

    @Test("A span outside its batch is refused") func span() {
        var item = DeliveredItem(id: 1, item: 1, site: SiteName(unchecked: "a"), queue: QueueName(unchecked: "q"))
        item.payload = ByteSpan(offset: 4, count: 2)
        var bytes = ByteBuffer()
        LinkCodec.encode(.deliver(DeliveredBatch(bytes: ByteBuffer(string: "abcde"), items: [item])), into: &bytes)
        #expect(throws: LinkError.badValue("a span")) { try LinkCodec.decode(from: &bytes) }
    }
}
