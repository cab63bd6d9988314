// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// The escapes of header names and values.
///
/// 1.2 has `\r \n \c \\`, 1.1 lacks `\r`, 1.0 has none, and handshake frames are not escaped in any version
/// (STOMP 1.2, "Value Encoding").
enum StompEscapes {
    static let backslash = UInt8(ascii: "\\")
    private static let colon = UInt8(ascii: ":")
    private static let lineFeed = UInt8(ascii: "\n")
    private static let carriageReturn = UInt8(ascii: "\r")

    /// The octet that a backslash and `code` stand for; nil = undefined, which is fatal.
    private static func meaning(of code: UInt8, in version: StompVersion) -> UInt8? {
        switch code {
        case UInt8(ascii: "n"): lineFeed
        case UInt8(ascii: "c"): colon
        case backslash: backslash
        case UInt8(ascii: "r") where version >= .v1_2: carriageReturn
        default: nil
        }
    }

    /// Whether each backslash starts an escape that `version` knows.
    static func areValid(_ bytes: UnsafeRawBufferPointer, in version: StompVersion) -> Bool {
        var index = 0
        while index < bytes.count {
            if bytes[index] == backslash {
                guard index + 1 < bytes.count, meaning(of: bytes[index + 1], in: version) != nil else { return false }
                index += 1
            }
            index += 1
        }
        return true
    }

    /// Octets whose escapes were found valid, without them.
    static func decode(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            if bytes[index] == backslash, index + 1 < bytes.count {
                decoded.append(meaning(of: bytes[index + 1], in: .v1_2) ?? bytes[index + 1])
                index += 2
            } else {
                decoded.append(bytes[index])
                index += 1
            }
        }
        return decoded
    }

    /// Whether `bytes` can stand in a header of any version as they are.
    static func isPlain(_ bytes: some Sequence<UInt8>) -> Bool {
        !bytes.contains { $0 == colon || $0 == lineFeed || $0 == carriageReturn || $0 == backslash || $0 == 0 }
    }

    /// Writes a name or value for `version`; nil = nothing is escaped.
    ///
    /// What a version can't express becomes a space, so that no value of one client can forge a header of another:
    /// line ends where there are no escapes, and NUL anywhere. A colon in an unescaped name can't be expressed either.
    static func write(
        _ bytes: some Sequence<UInt8>,
        isName: Bool,
        version: StompVersion?,
        into buffer: inout ByteBuffer
    ) {
        let escapes = version.map { $0 > .v1_0 } ?? false
        for byte in bytes {
            switch byte {
            case backslash where escapes: buffer.writeStaticString("\\\\")
            case colon where escapes: buffer.writeStaticString("\\c")
            case lineFeed where escapes: buffer.writeStaticString("\\n")
            case carriageReturn where version == .v1_2: buffer.writeStaticString("\\r")
            case lineFeed, carriageReturn, 0: buffer.writeInteger(UInt8(ascii: " "))
            case colon where isName: buffer.writeInteger(UInt8(ascii: " "))
            default: buffer.writeInteger(byte)
            }
        }
    }
}
