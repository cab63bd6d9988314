// SPDX-License-Identifier: Apache-2.0

// `_nfc` is the standard library's own normalization; CompatibilityTable says why it isn't Foundation's.
@_spi(_Unicode) import Swift

/// Names and passwords as both sides of a login have to have them (RFC 4013): however somebody's keyboard writes an accent
/// or a full-width letter, it is the same password.
///
/// Pure.
enum SASLprep {
    /// A sentence says which character isn't allowed, without the text.
    struct Problem: Error, Hashable, CustomStringConvertible {
        let description: String
    }

    static func prepared(_ text: String) throws(Problem) -> String {
        let scalars = text.utf8.allSatisfy { $0 < 0x80 } ? Array(text.unicodeScalars) : normalized(text)
        for scalar in scalars where isProhibited(scalar) {
            throw Problem(description: "\(name(scalar)) isn't allowed in it (RFC 4013)")
        }
        // From right to left, as in Hebrew and Arabic: all of it, and at both ends.
        guard scalars.contains(where: isRightToLeft) else { return string(scalars) }
        guard let first = scalars.first, let last = scalars.last, isRightToLeft(first), isRightToLeft(last),
            !scalars.contains(where: isLeftToRight)
        else {
            throw Problem(
                description: "letters from right to left don't go together with others (RFC 4013 section 2.4)"
            )
        }
        return string(scalars)
    }

    /// Mapped (section 2.1), and in normalization form KC (section 2.2).
    private static func normalized(_ text: String) -> [Unicode.Scalar] {
        var mapped: [Unicode.Scalar] = []
        for scalar in text.unicodeScalars {
            if isSpace(scalar) {
                mapped.append(" ")
            } else if !isMappedToNothing(scalar) {
                mapped += CompatibilityTable.mappings[scalar.value] ?? [scalar]
            }
        }
        // What is left to compose and to put in order is canonical.
        return Array(string(mapped)._nfc)
    }

    private static func string(_ scalars: [Unicode.Scalar]) -> String {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars)
        return String(text)
    }

    private static func name(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16, uppercase: true)
        return "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}

// The tables of RFC 3454.
extension SASLprep {
    /// C.1.2.
    private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0xA0, 0x1680, 0x2000...0x200B, 0x202F, 0x205F, 0x3000: true
        default: false
        }
    }

    /// B.1.
    private static func isMappedToNothing(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0xAD, 0x34F, 0x1806, 0x180B...0x180D, 0x200B...0x200D, 0x2060, 0xFE00...0xFE0F, 0xFEFF: true
        default: false
        }
    }

    /// C.1.2, and C.2.1 to C.9; surrogates (C.5) can't occur.
    private static func isProhibited(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0...0x1F, 0x7F...0x9F, 0x6DD, 0x70F, 0x180E, 0x200C...0x200F, 0x2028...0x202E, 0x2060...0x2063,
            0x206A...0x206F, 0xFEFF, 0xFFF9...0xFFFD, 0x1D173...0x1D17A:
            true
        case 0xE000...0xF8FF, 0xF0000...0x10FFFF: true
        case 0xFDD0...0xFDEF, 0x340, 0x341, 0x2FF0...0x2FFB, 0xE0001, 0xE0020...0xE007F: true
        default: scalar.value & 0xFFFE == 0xFFFE || isSpace(scalar)
        }
    }

    /// D.1.
    private static func isRightToLeft(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x5BE, 0x5C0, 0x5C3, 0x5D0...0x5EA, 0x5F0...0x5F4, 0x61B, 0x61F, 0x621...0x63A, 0x640...0x64A,
            0x66D...0x66F, 0x671...0x6D5, 0x6DD, 0x6E5...0x6E6, 0x6FA...0x6FE, 0x700...0x70D, 0x710, 0x712...0x72C,
            0x780...0x7A5, 0x7B1, 0x200F:
            true
        case 0xFB1D, 0xFB1F...0xFB28, 0xFB2A...0xFB36, 0xFB38...0xFB3C, 0xFB3E, 0xFB40...0xFB41, 0xFB43...0xFB44,
            0xFB46...0xFBB1, 0xFBD3...0xFD3D, 0xFD50...0xFD8F, 0xFD92...0xFDC7, 0xFDF0...0xFDFC, 0xFE70...0xFE74,
            0xFE76...0xFEFC:
            true
        default: false
        }
    }

    /// D.2, but for the symbols in it: letters, and the marks that stand beside them.
    private static func isLeftToRight(_ scalar: Unicode.Scalar) -> Bool {
        guard !isRightToLeft(scalar) else { return false }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .spacingMark,
            .letterNumber:
            return true
        default: return false
        }
    }
}
