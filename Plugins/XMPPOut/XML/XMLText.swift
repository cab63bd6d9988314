// SPDX-License-Identifier: Apache-2.0

/// Text on its way into XML.
enum XMLText {
    /// Appends `text` escaped, so that it may stand in content and in an attribute with quotes of either kind.
    ///
    /// Characters that XML 1.0 forbids are left out: one of them would end the stream, and with it everybody's on it.
    static func append(_ text: some StringProtocol, to out: inout [UInt8]) {
        for scalar in text.unicodeScalars where isAllowed(scalar) {
            switch scalar {
            case "&": out.append(contentsOf: "&amp;".utf8)
            case "<": out.append(contentsOf: "&lt;".utf8)
            case ">": out.append(contentsOf: "&gt;".utf8)
            case "\"": out.append(contentsOf: "&quot;".utf8)
            case "'": out.append(contentsOf: "&apos;".utf8)
            // As it stands, a parser would make a line feed of it.
            case "\r": out.append(contentsOf: "&#13;".utf8)
            default:
                if scalar.isASCII { out.append(UInt8(scalar.value)) } else { out.append(contentsOf: scalar.utf8) }
            }
        }
    }

    static func escaped(_ text: some StringProtocol) -> String {
        var bytes: [UInt8] = []
        append(text, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The production `Char` of XML 1.0; surrogates can't occur in a Swift text.
    static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x9, 0xA, 0xD, 0x20...0xFFFD, 0x10000...0x10FFFF: true
        default: false
        }
    }

    /// The bytes of a document from outside, without what XML forbids: forbidden characters and broken UTF-8.
    static func cleaned(_ bytes: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(bytes.count)
        for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars where isAllowed(scalar) {
            if scalar.isASCII { out.append(UInt8(scalar.value)) } else { out.append(contentsOf: scalar.utf8) }
        }
        return out
    }
}

extension Unicode.Scalar {
    fileprivate var utf8: UTF8.EncodedScalar {
        // Every scalar has an encoding in UTF-8; the replacement character stands for none.
        UTF8.encode(self) ?? UTF8.encodedReplacementCharacter
    }
}
