// SPDX-License-Identifier: Apache-2.0
import Glibc
package import NIOCore

/// Writes frames for one version of the protocol: headers are `name:value` without a space, lines end with LF.
///
/// Either `encode` at once, or `start`, any number of `header` and `stored`, and `finish`.
package struct StompFrameEncoder: Sendable {
    package let version: StompVersion

    package init(version: StompVersion) { self.version = version }

    /// Writes a whole frame; CONNECT, STOMP and CONNECTED are not escaped in any version.
    package static func encode(
        _ command: StompCommand,
        _ headers: [(name: String, value: String)],
        body: ByteBuffer = ByteBuffer(),
        version: StompVersion,
        into buffer: inout ByteBuffer
    ) {
        let encoder = StompFrameEncoder(version: command.isHandshake ? .v1_0 : version)
        encoder.start(command, into: &buffer)
        for (name, value) in headers { encoder.header(named: name, value, into: &buffer) }
        encoder.finish(command, body: body, into: &buffer)
    }

    package func start(_ command: StompCommand, into buffer: inout ByteBuffer) {
        buffer.writeStaticString(command.name)
        buffer.writeInteger(UInt8(ascii: "\n"))
    }

    package func header(_ name: StompHeaderName, _ value: String, into buffer: inout ByteBuffer) {
        buffer.writeStaticString(name.text)
        finishLine(value, into: &buffer)
    }

    package func header(_ name: StompHeaderName, _ value: Int, into buffer: inout ByteBuffer) {
        buffer.writeStaticString(name.text)
        buffer.writeInteger(UInt8(ascii: ":"))
        buffer.writeString(String(value))
        buffer.writeInteger(UInt8(ascii: "\n"))
    }

    package func header(named name: String, _ value: String, into buffer: inout ByteBuffer) {
        write(name, isName: true, into: &buffer)
        finishLine(value, into: &buffer)
    }

    /// Writes header lines that `StompFrame.storedHeaders` gave.
    package func stored(_ headers: ByteBuffer, into buffer: inout ByteBuffer) {
        let hasEscapes = headers.withUnsafeReadableBytes { bytes in
            guard let base = bytes.baseAddress else { return false }
            return memchr(base, Int32(StompEscapes.backslash), bytes.count) != nil
        }
        guard hasEscapes, version < .v1_2 else {
            buffer.writeImmutableBuffer(headers)
            return
        }
        for line in headers.readableBytesView.split(separator: UInt8(ascii: "\n")) {
            let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
            rewrite(line[..<colon], isName: true, into: &buffer)
            buffer.writeInteger(UInt8(ascii: ":"))
            rewrite(line[colon...].dropFirst(), isName: false, into: &buffer)
            buffer.writeInteger(UInt8(ascii: "\n"))
        }
    }

    /// Writes content-length where it is needed, the blank line, the body and the NUL.
    ///
    /// 1.0 clients echo all headers of a MESSAGE in their ACK, and some take a content-length there for a body's: they
    /// get one only if the body has a NUL in it.
    package func finish(_ command: StompCommand, body: ByteBuffer = ByteBuffer(), into buffer: inout ByteBuffer) {
        if command.allowsBody, version > .v1_0 || Self.hasNul(body) {
            header(.contentLength, body.readableBytes, into: &buffer)
        }
        buffer.writeInteger(UInt8(ascii: "\n"))
        buffer.writeImmutableBuffer(body)
        buffer.writeInteger(UInt8(0))
    }

    private func finishLine(_ value: String, into buffer: inout ByteBuffer) {
        buffer.writeInteger(UInt8(ascii: ":"))
        write(value, isName: false, into: &buffer)
        buffer.writeInteger(UInt8(ascii: "\n"))
    }

    private func write(_ text: String, isName: Bool, into buffer: inout ByteBuffer) {
        var text = text
        text.withUTF8 { bytes in
            if StompEscapes.isPlain(bytes) {
                buffer.writeBytes(UnsafeRawBufferPointer(bytes))
            } else {
                StompEscapes.write(bytes, isName: isName, version: version, into: &buffer)
            }
        }
    }

    private func rewrite(_ bytes: ByteBufferView, isName: Bool, into buffer: inout ByteBuffer) {
        let decoded = bytes.withUnsafeBytes(StompEscapes.decode)
        StompEscapes.write(decoded, isName: isName, version: version, into: &buffer)
    }

    private static func hasNul(_ body: ByteBuffer) -> Bool {
        body.withUnsafeReadableBytes { bytes in
            guard let base = bytes.baseAddress else { return false }
            return memchr(base, 0, bytes.count) != nil
        }
    }
}
