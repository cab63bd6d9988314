// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
package import NIOCore

/// One JSON document a line: how both control protocols are written on the wire.
package enum JSONLine {
    /// Bytes per line: a page of dead letters or metrics has room, an endless line hasn't.
    package static let limit = 16 * 1024 * 1024

    package static func encode(_ value: some Encodable) throws -> ByteBuffer {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes]
        // JSON has no raw newline inside a document that isn't pretty-printed.
        let data = try encoder.encode(value)
        var buffer = ByteBuffer()
        buffer.reserveCapacity(data.count + 1)
        buffer.writeBytes(data)
        buffer.writeInteger(UInt8(ascii: "\n"))
        return buffer
    }

    package static func decode<Value: Decodable>(_ type: Value.Type, from line: ByteBuffer) throws -> Value {
        try JSONDecoder().decode(type, from: Data(line.readableBytesView))
    }
}

/// Splits a byte stream into lines without their ends; remembers how far it looked, so that a long line is scanned once.
struct JSONLineDecoder: NIOSingleStepByteToMessageDecoder {
    typealias InboundOut = ByteBuffer

    struct LineTooLong: Error {}

    let limit: Int
    private var scanned = 0

    init(limit: Int = JSONLine.limit) { self.limit = limit }

    mutating func decode(buffer: inout ByteBuffer) throws -> ByteBuffer? {
        let view = buffer.readableBytesView.dropFirst(scanned)
        guard let end = view.firstIndex(of: UInt8(ascii: "\n")) else {
            scanned = buffer.readableBytes
            guard scanned <= limit else { throw LineTooLong() }
            return nil
        }
        let length = end - buffer.readerIndex
        scanned = 0
        guard length <= limit else { throw LineTooLong() }
        let line = buffer.readSlice(length: length)
        buffer.moveReaderIndex(forwardBy: 1)
        return line
    }

    /// What has no newline at the end of the stream was cut off: not a document.
    mutating func decodeLast(buffer: inout ByteBuffer, seenEOF: Bool) throws -> ByteBuffer? {
        try decode(buffer: &buffer)
    }
}
