// SPDX-License-Identifier: Apache-2.0
package import NIOCore
import QueueCore

/// A message on the worker link that can't be read: a bug or another version, so the link is closed.
package enum LinkError: Error, Equatable, CustomStringConvertible {
    case truncated(String)
    case unknownKind(UInt8)
    case badValue(String)
    case tooLong(Int)

    package var description: String {
        switch self {
        case .truncated(let what): "worker link: the message ends inside \(what)"
        case .unknownKind(let kind): "worker link: unknown message kind \(kind)"
        case .badValue(let what): "worker link: bad value of \(what)"
        case .tooLong(let count): "worker link: a message of \(count) bytes, the limit is \(LinkCodec.maxMessage)"
        }
    }
}

/// The byte form of `LinkMessage`: a 32-bit length, a kind byte, then fields; numbers little-endian, texts and bytes
/// with a 32-bit count before them.
package enum LinkCodec {
    /// Room for 1,000 staged items with 4 MiB of payload, and shared bodies of 1 MiB.
    package static let maxMessage = 64 << 20

    private enum Kind: UInt8 {
        case hello = 1
        case results, enqueue, hold, refuse, accept, deliver, enqueued, cancel, serve, settled
    }

    // MARK: Encoding

    package static func encode(_ message: LinkMessage, into buffer: inout ByteBuffer) {
        let lengthIndex = buffer.writerIndex
        buffer.write(number: UInt32(0))
        switch message {
        case .hello(let hello):
            buffer.write(kind: Kind.hello.rawValue)
            buffer.write(number: hello.version)
            buffer.write(text: hello.plugin.rawValue)
            buffer.write(text: hello.pluginVersion)
            buffer.write(number: hello.generation)
            buffer.write(number: hello.pid)
            buffer.write(text: hello.journalPath)
            buffer.write(number: UInt8(hello.isHunter ? 1 : 0))
            buffer.write(credits: hello.queues)
            buffer.write(number: hello.lastDelivery)
            buffer.write(list: hello.held) { buffer, held in
                buffer.writeMultipleIntegers(held.id, held.item, held.place, held.attempt, endianness: .little)
            }
        case .results(let results):
            buffer.write(kind: Kind.results.rawValue)
            buffer.write(list: results) { write(&$0, result: $1) }
        case .enqueue(let request, let site, let items):
            buffer.write(kind: Kind.enqueue.rawValue)
            buffer.write(number: request)
            buffer.write(text: site.rawValue)
            write(items: items, to: &buffer)
        case .hold(let site, let queue, let lane, let ms, let text):
            buffer.write(kind: Kind.hold.rawValue)
            buffer.write(text: site.rawValue)
            buffer.write(text: queue.rawValue)
            buffer.write(text: lane)
            buffer.write(number: ms)
            buffer.write(text: text)
        case .refuse(let sites):
            buffer.write(kind: Kind.refuse.rawValue)
            buffer.write(list: sites) { $0.write(text: $1.rawValue) }
        case .accept(let sites):
            buffer.write(kind: Kind.accept.rawValue)
            buffer.write(list: sites) { $0.write(text: $1.rawValue) }
        case .serve(let queues):
            buffer.write(kind: Kind.serve.rawValue)
            buffer.write(credits: queues)
        case .deliver(let batch):
            buffer.write(kind: Kind.deliver.rawValue)
            write(batch: batch, to: &buffer)
        case .enqueued(let request, let error):
            buffer.write(kind: Kind.enqueued.rawValue)
            buffer.write(number: request)
            buffer.write(number: UInt8(error == nil ? 0 : 1))
            buffer.write(text: error ?? "")
        case .cancel(let ids):
            buffer.write(kind: Kind.cancel.rawValue)
            buffer.write(list: ids) { $0.write(number: $1) }
        case .settled(let count):
            buffer.write(kind: Kind.settled.rawValue)
            buffer.write(number: count)
        }
        buffer.setInteger(
            UInt32(buffer.writerIndex - lengthIndex - 4),
            at: lengthIndex,
            endianness: .little,
            as: UInt32.self
        )
    }

    private static func write(_ buffer: inout ByteBuffer, result: ItemResult) {
        let outcome = result.outcome
        buffer.write(number: result.id)
        buffer.write(number: result.elapsedUs)
        buffer.write(number: outcome.code.rawValue)
        // Nearly all results are a plain `done`: one flag byte instead of eight empty fields.
        let isPlain = result.staged.isEmpty && outcome == Outcome(outcome.code)
        buffer.write(number: UInt8(isPlain ? 0 : 1))
        if isPlain { return }
        buffer.write(number: outcome.reason.rawValue)
        buffer.write(number: UInt8((outcome.keep ? 1 : 0) | (outcome.maybeDelivered ? 2 : 0)))
        buffer.write(number: outcome.delayMs)
        buffer.write(number: outcome.holdMs)
        buffer.write(text: outcome.holdLane)
        buffer.write(bytes: outcome.cursor)
        buffer.write(text: outcome.text)
        write(items: result.staged, to: &buffer)
    }

    private static func readResult(_ body: inout ByteBuffer) throws(LinkError) -> ItemResult {
        let id: UInt64 = try body.number("id")
        let elapsed: UInt32 = try body.number("elapsed")
        guard let code = OutcomeCode(rawValue: try body.number("code")) else { throw .badValue("code") }
        var result = ItemResult(id: id, outcome: Outcome(code), elapsedUs: elapsed)
        let isPlain = try body.number("form", as: UInt8.self) == 0
        if isPlain { return result }
        result.outcome.reason = ReasonClass(rawValue: try body.number("reason")) ?? .other
        let flags: UInt8 = try body.number("flags")
        result.outcome.keep = flags & 1 != 0
        result.outcome.maybeDelivered = flags & 2 != 0
        result.outcome.delayMs = try body.number("delay")
        result.outcome.holdMs = try body.number("hold")
        result.outcome.holdLane = try body.text("hold lane")
        result.outcome.cursor = try body.bytes("cursor")
        result.outcome.text = try body.text("text")
        result.staged = try readItems(&body)
        return result
    }

    /// Items that share a body name it by its place in a list of bodies before them.
    private static func write(items: [NewItem], to buffer: inout ByteBuffer) {
        var bodies: [[UInt8]] = []
        var places: [[UInt8]: UInt32] = [:]
        var last: [UInt8] = []
        var lastPlace: UInt32 = 0
        var placeOf: [UInt32] = []
        placeOf.reserveCapacity(items.count)
        for item in items {
            if item.shared.isEmpty {
                placeOf.append(0)
                continue
            }
            if item.shared != last {
                last = item.shared
                if let place = places[last] {
                    lastPlace = place
                } else {
                    bodies.append(last)
                    lastPlace = UInt32(bodies.count)
                    places[last] = lastPlace
                }
            }
            placeOf.append(lastPlace)
        }
        buffer.write(list: bodies) { $0.write(bytes: $1) }
        buffer.write(number: UInt32(items.count))
        for (item, place) in zip(items, placeOf) {
            buffer.write(text: item.queue.rawValue)
            buffer.write(bytes: item.payload)
            buffer.write(number: place)
            buffer.write(text: item.dedupeKey)
            buffer.write(text: item.target)
            buffer.write(text: item.lane)
            buffer.write(number: item.delayMs)
            buffer.write(number: item.priority)
            buffer.write(number: item.expiresMs)
        }
    }

    private static func readItems(_ body: inout ByteBuffer) throws(LinkError) -> [NewItem] {
        let bodies = try body.list("bodies") { (body) throws(LinkError) in try body.bytes("shared body") }
        var queue = QueueName(unchecked: "")
        return try body.list("items") { (body) throws(LinkError) in
            let name = try body.text("queue")
            if name != queue.rawValue {
                guard let checked = QueueName(name) else { throw .badValue("queue") }
                queue = checked
            }
            var item = NewItem(queue: queue, payload: try body.bytes("payload"))
            let place = Int(try body.number("shared", as: UInt32.self))
            guard place <= bodies.count else { throw .badValue("shared") }
            if place > 0 { item.shared = bodies[place - 1] }
            item.dedupeKey = try body.text("dedupe key")
            item.target = try body.text("target")
            item.lane = try body.text("lane")
            item.delayMs = try body.number("delay")
            item.priority = try body.number("priority")
            item.expiresMs = try body.number("expires")
            return item
        }
    }

    // MARK: Decoding

    /// The next whole message of `buffer`, or nil where more bytes are needed.
    package static func decode(from buffer: inout ByteBuffer) throws(LinkError) -> LinkMessage? {
        guard let length = buffer.getInteger(at: buffer.readerIndex, endianness: .little, as: UInt32.self) else {
            return nil
        }
        guard length <= maxMessage else { throw .tooLong(Int(length)) }
        guard buffer.readableBytes >= 4 + Int(length) else { return nil }
        buffer.moveReaderIndex(forwardBy: 4)
        guard var body = buffer.readSlice(length: Int(length)) else { return nil }
        return try decode(body: &body)
    }

    private static func decode(body: inout ByteBuffer) throws(LinkError) -> LinkMessage {
        let rawKind: UInt8 = try body.number("kind")
        guard let kind = Kind(rawValue: rawKind) else { throw .unknownKind(rawKind) }
        switch kind {
        case .hello:
            let version: UInt32 = try body.number("version")
            guard version == LinkHello.protocolVersion else { throw .badValue("version") }
            guard let plugin = PluginName(try body.text("plugin")) else { throw .badValue("plugin") }
            let pluginVersion = try body.text("plugin version")
            let generation: UInt32 = try body.number("generation")
            let pid: Int32 = try body.number("pid")
            let journal = try body.text("journal")
            let isHunter = try body.number("hunter", as: UInt8.self) != 0
            var hello = LinkHello(
                plugin: plugin,
                pluginVersion: pluginVersion,
                generation: generation,
                pid: pid,
                journalPath: journal,
                isHunter: isHunter,
                queues: try body.credits()
            )
            hello.lastDelivery = try body.number("last delivery")
            hello.held = try body.list("held deliveries", each: readHeld)
            return .hello(hello)
        case .results: return .results(try body.list("results", each: readResult))
        case .enqueue:
            let request: UInt64 = try body.number("request")
            let site = try readSite(&body)
            return .enqueue(request: request, site: site, try readItems(&body))
        case .hold:
            let site = try readSite(&body)
            guard let queue = QueueName(try body.text("queue")) else { throw .badValue("queue") }
            let lane = try body.text("lane")
            let ms: UInt32 = try body.number("ms")
            return .hold(site: site, queue: queue, lane: lane, ms: ms, text: try body.text("text"))
        case .refuse: return .refuse(try body.list("sites", each: readSite))
        case .accept: return .accept(try body.list("sites", each: readSite))
        case .serve: return .serve(try body.credits())
        case .deliver: return .deliver(try readBatch(&body))
        case .enqueued:
            let request: UInt64 = try body.number("request")
            let failed = try body.number("failed", as: UInt8.self) != 0
            let text = try body.text("error")
            return .enqueued(request: request, error: failed ? text : nil)
        case .cancel: return .cancel(try body.list("ids") { (body) throws(LinkError) in try body.number("id") })
        case .settled: return .settled(try body.number("count"))
        }
    }

    private static func readHeld(_ body: inout ByteBuffer) throws(LinkError) -> HeldDelivery {
        guard
            let (id, item, place, attempt) = body.readMultipleIntegers(
                endianness: .little,
                as: (UInt64, UInt64, Int64, UInt32).self
            )
        else { throw .truncated("a held delivery") }
        return HeldDelivery(id: id, item: item, place: place, attempt: attempt)
    }

    private static func readSite(_ body: inout ByteBuffer) throws(LinkError) -> SiteName { try body.site() }
}
