// SPDX-License-Identifier: Apache-2.0

/// The encoding that OAuth 1.0 wants everywhere (RFC 5849 section 3.6): of UTF-8 bytes, all but `A-Z a-z 0-9 - . _ ~`
/// as `%` and two upper-case digits.
///
/// It works on byte buffers, as a signature is made for each delivery.
package enum PercentEncoding {
    private static let digits: StaticString = "0123456789ABCDEF"

    @inline(__always)
    static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            true
        default: false
        }
    }

    /// Appends the encoding of `bytes`.
    package static func append(_ bytes: some Sequence<UInt8>, to buffer: inout [UInt8]) {
        for byte in bytes { append(byte, to: &buffer) }
    }

    /// Appends the encoding of one byte.
    @inline(__always)
    static func append(_ byte: UInt8, to buffer: inout [UInt8]) {
        if isUnreserved(byte) { buffer.append(byte) } else { appendEscape(of: byte, to: &buffer) }
    }

    /// Appends the encoding of the encoding of `bytes`, as values stand in a base string.
    package static func appendTwice(_ bytes: some Sequence<UInt8>, to buffer: inout [UInt8]) {
        for byte in bytes {
            if isUnreserved(byte) {
                buffer.append(byte)
            } else {
                buffer.append(staticText: "%25")
                buffer.append(digit(byte >> 4))
                buffer.append(digit(byte & 15))
            }
        }
    }

    package static func encode(_ text: String) -> [UInt8] {
        var buffer: [UInt8] = []
        buffer.reserveCapacity(text.utf8.count + 16)
        append(text.utf8, to: &buffer)
        return buffer
    }

    /// Undoes it, `+` for a space included (HTML's form encoding); an escape that isn't one stays as it is.
    package static func decodeForm(_ bytes: some Collection<UInt8>) -> [UInt8] {
        // Without a copy where the bytes lie side by side, as they nearly always do.
        bytes.withContiguousStorageIfAvailable { decodeForm($0) }
            ?? Array(bytes).withUnsafeBufferPointer { decodeForm($0) }
    }

    private static func decodeForm(_ bytes: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var at = 0
        while at < bytes.count {
            let byte = bytes[at]
            at += 1
            if byte == UInt8(ascii: "+") {
                decoded.append(UInt8(ascii: " "))
            } else if byte == UInt8(ascii: "%"), at + 1 < bytes.count, let high = hexDigit(bytes[at]),
                let low = hexDigit(bytes[at + 1])
            {
                decoded.append(high << 4 | low)
                at += 2
            } else {
                decoded.append(byte)
            }
        }
        return decoded
    }

    static func appendEscape(of byte: UInt8, to buffer: inout [UInt8]) {
        buffer.append(UInt8(ascii: "%"))
        buffer.append(digit(byte >> 4))
        buffer.append(digit(byte & 15))
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        default: nil
        }
    }

    @inline(__always)
    private static func digit(_ value: UInt8) -> UInt8 { digits.utf8Start[Int(value)] }
}

extension [UInt8] {
    /// Appends a literal without making a String of it.
    @inline(__always)
    mutating func append(staticText text: StaticString) {
        append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }
}
