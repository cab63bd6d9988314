// SPDX-License-Identifier: Apache-2.0
import NIOCore
import QueueCore

// The fields that link messages are made of.
extension ByteBuffer {
    mutating func write(kind: UInt8) { writeInteger(kind) }

    mutating func write(number: some FixedWidthInteger) { writeInteger(number, endianness: .little) }

    mutating func write(text: String) {
        let index = writerIndex
        writeInteger(UInt32(0), endianness: .little)
        let count = writeString(text)
        setInteger(UInt32(count), at: index, endianness: .little)
    }

    mutating func write(bytes: [UInt8]) {
        writeInteger(UInt32(bytes.count), endianness: .little)
        writeBytes(bytes)
    }

    mutating func write<Element>(list: [Element], each: (inout ByteBuffer, Element) -> Void) {
        writeInteger(UInt32(list.count), endianness: .little)
        for element in list { each(&self, element) }
    }

    mutating func number<Number: FixedWidthInteger>(
        _ what: @autoclosure () -> String,
        as type: Number.Type = Number.self
    ) throws(LinkError) -> Number {
        guard let number = readInteger(endianness: .little, as: type) else { throw .truncated(what()) }
        return number
    }

    mutating func text(_ what: @autoclosure () -> String) throws(LinkError) -> String {
        let count = Int(try number(what(), as: UInt32.self))
        guard let text = readString(length: count) else { throw .truncated(what()) }
        return text
    }

    mutating func bytes(_ what: @autoclosure () -> String) throws(LinkError) -> [UInt8] {
        let count = Int(try number(what(), as: UInt32.self))
        guard let bytes = readBytes(length: count) else { throw .truncated(what()) }
        return bytes
    }

    mutating func list<Element>(
        _ what: @autoclosure () -> String,
        each: (inout ByteBuffer) throws(LinkError) -> Element
    ) throws(LinkError) -> [Element] {
        let count = Int(try number(what(), as: UInt32.self))
        // No element is smaller than a byte: a count beyond the message is refused before memory is taken for it.
        guard count <= readableBytes else { throw .truncated(what()) }
        var list: [Element] = []
        list.reserveCapacity(count)
        for _ in 0..<count { list.append(try each(&self)) }
        return list
    }

    mutating func site() throws(LinkError) -> SiteName {
        guard let site = SiteName(try text("site")) else { throw .badValue("site") }
        return site
    }

    mutating func write(credits: [QueueCredit]) {
        write(list: credits) { buffer, credit in
            buffer.write(text: credit.queue.rawValue)
            buffer.write(number: credit.credit)
            let (isOnly, sites) =
                switch credit.sites {
                case .only(let site): (true, [site])
                case .except(let others): (false, others.sorted())
                }
            buffer.write(number: UInt8(isOnly ? 1 : 0))
            buffer.write(list: sites) { $0.write(text: $1.rawValue) }
        }
    }

    mutating func credits() throws(LinkError) -> [QueueCredit] {
        try list("queues") { (body) throws(LinkError) -> QueueCredit in
            guard let queue = QueueName(try body.text("queue")) else { throw .badValue("queue") }
            let credit: UInt32 = try body.number("credit")
            let isOnly = try body.number("scope", as: UInt8.self) != 0
            let sites = try body.list("sites") { (body) throws(LinkError) in try body.site() }
            guard isOnly else { return QueueCredit(queue: queue, credit: credit, sites: .except(Set(sites))) }
            guard let site = sites.first, sites.count == 1 else { throw .badValue("scope") }
            return QueueCredit(queue: queue, credit: credit, sites: .only(site))
        }
    }
}
