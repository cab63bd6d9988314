// SPDX-License-Identifier: Apache-2.0
import NIOCore
import QueueCore

// Items on their way to handlers.
extension LinkCodec {
    static func write(batch: DeliveredBatch, to buffer: inout ByteBuffer) {
        var names: [String] = []
        func place(_ name: String) -> UInt32 {
            // A batch names few sites and queues: a scan beats a dictionary.
            if let place = names.lastIndex(of: name) { return UInt32(place) }
            names.append(name)
            return UInt32(names.count - 1)
        }
        let places = batch.items.map { (place($0.site.rawValue), place($0.queue.rawValue)) }
        buffer.write(list: names) { $0.write(text: $1) }
        buffer.write(number: UInt32(batch.items.count))
        for (item, (site, queue)) in zip(batch.items, places) {
            buffer.writeMultipleIntegers(item.id, item.item, item.place, site, queue, endianness: .little)
            buffer.writeMultipleIntegers(
                item.payload.offset,
                item.payload.count,
                item.shared.offset,
                item.shared.count,
                item.lane.offset,
                item.lane.count,
                endianness: .little
            )
            buffer.writeMultipleIntegers(
                item.dedupeKey.offset,
                item.dedupeKey.count,
                item.cursor.offset,
                item.cursor.count,
                item.attempt,
                item.kills,
                item.flags.rawValue,
                item.enqueuedMs,
                item.timeoutMs,
                endianness: .little
            )
        }
        buffer.write(number: UInt32(batch.bytes.readableBytes))
        buffer.writeImmutableBuffer(batch.bytes)
    }

    static func readBatch(_ body: inout ByteBuffer) throws(LinkError) -> DeliveredBatch {
        let names = try body.list("names") { (body) throws(LinkError) in try body.text("name") }
        let sites = names.map(SiteName.init(unchecked:))
        let queues = names.map(QueueName.init(unchecked:))
        let items = try body.list("items") { (body) throws(LinkError) -> DeliveredItem in
            guard
                let (id, number, place, site, queue) = body.readMultipleIntegers(
                    endianness: .little,
                    as: (UInt64, UInt64, Int64, UInt32, UInt32).self
                ),
                Int(site) < sites.count, Int(queue) < queues.count,
                let (a, b, c, d, e, f) = body.readMultipleIntegers(
                    endianness: .little,
                    as: (UInt32, UInt32, UInt32, UInt32, UInt32, UInt32).self
                ),
                let (g, h, i, j, attempt, kills, flags, enqueued, timeout) = body.readMultipleIntegers(
                    endianness: .little,
                    as: (UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt8, Int64, UInt32).self
                )
            else { throw .truncated("a delivered item") }
            var item = DeliveredItem(id: id, item: number, site: sites[Int(site)], queue: queues[Int(queue)])
            item.place = place
            item.payload = ByteSpan(offset: a, count: b)
            item.shared = ByteSpan(offset: c, count: d)
            item.lane = ByteSpan(offset: e, count: f)
            item.dedupeKey = ByteSpan(offset: g, count: h)
            item.cursor = ByteSpan(offset: i, count: j)
            item.attempt = attempt
            item.kills = kills
            item.flags = DeliveredItem.Flags(rawValue: flags)
            item.enqueuedMs = enqueued
            item.timeoutMs = timeout
            return item
        }
        let count = Int(try body.number("bytes", as: UInt32.self))
        guard let bytes = body.readSlice(length: count) else { throw .truncated("the bytes of a batch") }
        let spans = items.lazy.flatMap { [$0.payload, $0.shared, $0.lane, $0.dedupeKey, $0.cursor] }
        guard spans.allSatisfy({ Int($0.offset) + Int($0.count) <= count }) else { throw .badValue("a span") }
        return DeliveredBatch(bytes: bytes, items: items)
    }
}
