// SPDX-License-Identifier: Apache-2.0
import Glibc
package import NIOCore

/// A frame as it was read: a command, and slices of the connection's own read buffer for headers and body.
///
/// Nothing is copied and no String is made until a header is asked for; of repeated headers the first counts. Slices
/// keep the whole read buffer (up to 64 KiB) alive: who keeps a frame for long takes `detached()`.
package struct StompFrame: Sendable {
    /// A header line: where name and value lie in the header block.
    struct Field: Sendable {
        var name: UInt32
        var value: UInt32
        var nameLength: UInt16
        var valueLength: UInt16
        var isNameEscaped = false
        var isValueEscaped = false
    }

    package let command: StompCommand
    package let body: ByteBuffer
    let head: ByteBuffer
    let fields: [Field]

    init(command: StompCommand, head: ByteBuffer, fields: [Field], body: ByteBuffer) {
        self.command = command
        self.head = head
        self.fields = fields
        self.body = body
    }

    /// Octets that this frame's headers and body have.
    package var size: Int { head.readableBytes + body.readableBytes }

    package var headerCount: Int { fields.count }

    /// The value of a header, nil if it isn't there.
    package subscript(name: StompHeaderName) -> String? { field(name).map(text) }

    package func value(named name: String) -> String? {
        var name = name
        return name.withUTF8 { field(UnsafeRawBufferPointer($0)) }.map(text)
    }

    package func has(_ name: StompHeaderName) -> Bool { field(name) != nil }

    /// The octets of a value, without escapes; a slice unless it has some.
    package func bytes(_ name: StompHeaderName) -> ByteBuffer? {
        guard let field = field(name) else { return nil }
        guard field.isValueEscaped else { return head.getSlice(at: Int(field.value), length: Int(field.valueLength)) }
        return ByteBuffer(bytes: withValue(field, StompEscapes.decode))
    }

    /// Whether a value is exactly `text`.
    package func matches(_ name: StompHeaderName, _ text: StaticString) -> Bool {
        guard let field = field(name), !field.isValueEscaped else { return false }
        return withValue(field) { value in text.withUTF8Buffer { UnsafeRawBufferPointer($0).elementsEqual(value) } }
    }

    /// A value that must be a whole number of at most 18 digits; nil if the header isn't there.
    package func integer(_ name: StompHeaderName) throws(StompError) -> Int? {
        guard let field = field(name) else { return nil }
        guard let number = withValue(field, StompFrame.integer) else {
            throw .badHeader(name: name.description, found: text(field), wanted: "a whole number")
        }
        return number
    }

    /// Every header line in order, repeated ones too, without escapes.
    package var headers: [(name: String, value: String)] { fields.map { (name($0), text($0)) } }

    /// The headers as they can be stored and written again for any version by `StompFrameEncoder.stored`.
    ///
    /// Lines `name:value` with 1.2's escapes, in order, without repetitions and without the `excluded` ones.
    package func storedHeaders(except excluded: [StompHeaderName] = []) -> ByteBuffer {
        var stored = ByteBuffer()
        guard !fields.isEmpty else { return stored }
        stored.reserveCapacity(head.readableBytes + fields.count)
        for (index, field) in fields.enumerated() {
            let isWanted = withName(field) { name in
                !excluded.contains { $0.withBytes { $0.elementsEqual(name) } } && first(name, before: index) == nil
            }
            guard isWanted else { continue }
            withName(field) { Self.store($0, isEscaped: field.isNameEscaped, isName: true, in: &stored) }
            stored.writeInteger(UInt8(ascii: ":"))
            withValue(field) { Self.store($0, isEscaped: field.isValueEscaped, isName: false, in: &stored) }
            stored.writeInteger(UInt8(ascii: "\n"))
        }
        return stored
    }

    /// The same frame with octets of its own, which keeps no read buffer alive.
    package func detached() -> StompFrame {
        var own = ByteBuffer()
        own.reserveCapacity(size)
        own.writeImmutableBuffer(head)
        own.writeImmutableBuffer(body)
        let ownHead = own.readSlice(length: head.readableBytes) ?? ByteBuffer()
        return StompFrame(command: command, head: ownHead, fields: fields, body: own.slice())
    }

    // MARK: Look-up

    func field(_ name: StompHeaderName) -> Field? { name.withBytes(field) }

    private func field(_ name: UnsafeRawBufferPointer) -> Field? { first(name, before: fields.count) }

    private func first(_ name: UnsafeRawBufferPointer, before end: Int) -> Field? {
        guard let wanted = name.baseAddress else { return nil }
        return head.withUnsafeReadableBytes { bytes in
            guard let base = bytes.baseAddress else { return nil }
            for index in 0..<end {
                let field = fields[index]
                if field.isNameEscaped {
                    if withName(field, { StompEscapes.decode($0).elementsEqual(name) }) { return field }
                } else if Int(field.nameLength) == name.count,
                    memcmp(base + Int(field.name), wanted, name.count) == 0
                {
                    return field
                }
            }
            return nil
        }
    }

    func withName<Result>(_ field: Field, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        head.withUnsafeReadableBytes {
            body(.init(rebasing: $0[Int(field.name)..<Int(field.name) + Int(field.nameLength)]))
        }
    }

    func withValue<Result>(_ field: Field, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        head.withUnsafeReadableBytes {
            body(.init(rebasing: $0[Int(field.value)..<Int(field.value) + Int(field.valueLength)]))
        }
    }

    private func name(_ field: Field) -> String {
        withName(field) { Self.text($0, isEscaped: field.isNameEscaped) }
    }

    private func text(_ field: Field) -> String {
        withValue(field) { Self.text($0, isEscaped: field.isValueEscaped) }
    }

    private static func text(_ bytes: UnsafeRawBufferPointer, isEscaped: Bool) -> String {
        isEscaped ? String(decoding: StompEscapes.decode(bytes), as: UTF8.self) : String(decoding: bytes, as: UTF8.self)
    }

    private static func store(
        _ bytes: UnsafeRawBufferPointer,
        isEscaped: Bool,
        isName: Bool,
        in buffer: inout ByteBuffer
    ) {
        if isEscaped || StompEscapes.isPlain(bytes) {
            buffer.writeBytes(bytes)
        } else {
            StompEscapes.write(bytes, isName: isName, version: .v1_2, into: &buffer)
        }
    }

    /// 1 to 18 decimal digits and nothing else.
    static func integer(_ digits: UnsafeRawBufferPointer) -> Int? {
        guard (1...18).contains(digits.count) else { return nil }
        var number = 0
        for digit in digits {
            guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
            number = number * 10 + Int(digit - UInt8(ascii: "0"))
        }
        return number
    }
}
