// SPDX-License-Identifier: Apache-2.0
import NIOCore
import QueueCore
import QueueStore
import WorkerLink

/// Packs items for a worker; a shared body goes in once.
struct BatchBuilder {
    private let names: [NameID: String]
    private var bytes = ByteBuffer()
    private var items: [DeliveredItem] = []
    private var bodies: [Int64: ByteSpan] = [:]

    init(names: [NameID: String]) { self.names = names }

    mutating func add(_ item: ActiveItem, id: UInt64, isLastTry: Bool) {
        let row = item.row
        var delivered = DeliveredItem(
            id: id,
            item: UInt64(row.id),
            site: SiteName(unchecked: names[row.site] ?? ""),
            queue: QueueName(unchecked: names[row.queue] ?? "")
        )
        delivered.place = row.seq
        delivered.payload = span(row.payload)
        if let body = row.body {
            if let known = bodies[body.id] {
                delivered.shared = known
            } else {
                delivered.shared = span(body.bytes)
                bodies[body.id] = delivered.shared
            }
        }
        delivered.lane = span(row.laneName)
        delivered.dedupeKey = span(row.dedupeKey)
        delivered.cursor = span(row.cursor)
        delivered.attempt = UInt32(clamping: item.counts.attempts + 1)
        delivered.kills = UInt32(clamping: item.counts.kills)
        if item.counts.kills > 0 { delivered.flags.insert(.afterCrash) }
        if isLastTry { delivered.flags.insert(.lastTry) }
        if item.mayBeDuplicate || item.counts.maybe > 0 { delivered.flags.insert(.maybeDuplicate) }
        delivered.enqueuedMs = row.enqueuedMs
        delivered.timeoutMs = UInt32(clamping: item.source.line.handler?.descriptor.timeoutMs ?? 0)
        items.append(delivered)
    }

    private mutating func span(_ part: [UInt8]) -> ByteSpan {
        let offset = bytes.writerIndex
        bytes.writeBytes(part)
        return ByteSpan(offset: UInt32(offset), count: UInt32(part.count))
    }

    private mutating func span(_ part: String) -> ByteSpan {
        let offset = bytes.writerIndex
        return ByteSpan(offset: UInt32(offset), count: UInt32(bytes.writeString(part)))
    }

    func build() -> DeliveredBatch { DeliveredBatch(bytes: bytes, items: items) }
}
