// SPDX-License-Identifier: Apache-2.0

/// Reads JSON by the letter of RFC 8259: one pass, no recursion deeper than `maxDepth`, memory in proportion to the text.
struct JSONParser {
    /// Deeper than any frame, and far from the end of a thread's stack.
    private static let maxDepth = 64

    private var at = 0
    private var depth = 0

    mutating func document(_ bytes: Span<UInt8>) throws(JSONError) -> JSON {
        // RFC 8259 section 8.1 lets a parser ignore a byte order mark, and some producers write one.
        if bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF { at = 3 }
        let value = try value(bytes)
        skipSpace(bytes)
        guard at == bytes.count else { throw error("something follows the value") }
        return value
    }

    private func error(_ problem: String) -> JSONError { JSONError(offset: at, problem: problem) }

    private mutating func skipSpace(_ bytes: Span<UInt8>) {
        while at < bytes.count {
            switch bytes[at] {
            case 0x20, 0x09, 0x0A, 0x0D: at += 1
            default: return
            }
        }
    }

    /// The next byte that isn't white space, not yet taken.
    private mutating func peek(_ bytes: Span<UInt8>) throws(JSONError) -> UInt8 {
        skipSpace(bytes)
        guard at < bytes.count else { throw error("the text ends too early") }
        return bytes[at]
    }

    private mutating func value(_ bytes: Span<UInt8>) throws(JSONError) -> JSON {
        switch try peek(bytes) {
        case UInt8(ascii: "{"):
            return try nested(bytes) { (parser, bytes) throws(JSONError) in try parser.object(bytes) }
        case UInt8(ascii: "["):
            return try nested(bytes) { (parser, bytes) throws(JSONError) in try parser.array(bytes) }
        case UInt8(ascii: "\""): return .string(try string(bytes))
        case UInt8(ascii: "t"): return try word("true", .bool(true), bytes)
        case UInt8(ascii: "f"): return try word("false", .bool(false), bytes)
        case UInt8(ascii: "n"): return try word("null", .null, bytes)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try number(bytes))
        default: throw error("a value is expected")
        }
    }

    private mutating func nested(
        _ bytes: Span<UInt8>,
        _ body: (inout JSONParser, Span<UInt8>) throws(JSONError) -> JSON
    ) throws(JSONError) -> JSON {
        guard depth < Self.maxDepth else { throw error("more than \(Self.maxDepth) levels deep") }
        depth += 1
        at += 1
        let value = try body(&self, bytes)
        depth -= 1
        return value
    }

    private mutating func object(_ bytes: Span<UInt8>) throws(JSONError) -> JSON {
        var members: [JSON.Member] = []
        if try peek(bytes) == UInt8(ascii: "}") {
            at += 1
            return .object(members)
        }
        while true {
            guard try peek(bytes) == UInt8(ascii: "\"") else { throw error("a member's name is expected") }
            let name = try string(bytes)
            guard try peek(bytes) == UInt8(ascii: ":") else { throw error("a colon is expected") }
            at += 1
            members.append(JSON.Member(name, try value(bytes)))
            if try !comma(bytes, or: UInt8(ascii: "}")) { return .object(members) }
        }
    }

    private mutating func array(_ bytes: Span<UInt8>) throws(JSONError) -> JSON {
        var elements: [JSON] = []
        if try peek(bytes) == UInt8(ascii: "]") {
            at += 1
            return .array(elements)
        }
        while true {
            elements.append(try value(bytes))
            if try !comma(bytes, or: UInt8(ascii: "]")) { return .array(elements) }
        }
    }

    private mutating func comma(_ bytes: Span<UInt8>, or end: UInt8) throws(JSONError) -> Bool {
        let byte = try peek(bytes)
        guard byte == UInt8(ascii: ",") || byte == end else {
            throw error("a comma or \"\(Character(UnicodeScalar(end)))\" is expected")
        }
        at += 1
        return byte != end
    }

    private mutating func word(_ word: StaticString, _ value: JSON, _ bytes: Span<UInt8>) throws(JSONError) -> JSON {
        let letters = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
        guard bytes.count - at >= letters.count else { throw error("a value is expected") }
        for (index, letter) in letters.enumerated() where bytes[at + index] != letter {
            throw error("a value is expected")
        }
        at += letters.count
        return value
    }

    private mutating func number(_ bytes: Span<UInt8>) throws(JSONError) -> String {
        let start = at
        if bytes[at] == UInt8(ascii: "-") { at += 1 }
        let isZero = at < bytes.count && bytes[at] == UInt8(ascii: "0")
        guard try digits(bytes) == 1 || !isZero else { throw error("a number may not begin with 0") }
        if at < bytes.count, bytes[at] == UInt8(ascii: ".") {
            at += 1
            _ = try digits(bytes)
        }
        if at < bytes.count, bytes[at] | 0x20 == UInt8(ascii: "e") {
            at += 1
            if at < bytes.count, bytes[at] == UInt8(ascii: "+") || bytes[at] == UInt8(ascii: "-") { at += 1 }
            _ = try digits(bytes)
        }
        return text(bytes, start..<at) ?? ""
    }

    private mutating func digits(_ bytes: Span<UInt8>) throws(JSONError) -> Int {
        let start = at
        while at < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[at]) { at += 1 }
        guard at > start else { throw error("a digit is expected") }
        return at - start
    }

    private func text(_ bytes: Span<UInt8>, _ range: Range<Int>) -> String? {
        bytes.extracting(range).withUnsafeBufferPointer { String(validating: $0, as: UTF8.self) }
    }

    private mutating func string(_ bytes: Span<UInt8>) throws(JSONError) -> String {
        at += 1
        var whole = ""
        var start = at
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: "\""):
                let part = try validText(bytes, start..<at)
                at += 1
                return whole.isEmpty ? part : whole + part
            case UInt8(ascii: "\\"):
                whole += try validText(bytes, start..<at)
                at += 1
                whole.unicodeScalars.append(try escape(bytes))
                start = at
            case 0..<0x20: throw error("a control character in a text has to be escaped")
            default: at += 1
            }
        }
        throw error("a text has no end")
    }

    private func validText(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(JSONError) -> String {
        guard let text = text(bytes, range) else { throw error("a text isn't UTF-8") }
        return text
    }

    private mutating func escape(_ bytes: Span<UInt8>) throws(JSONError) -> Unicode.Scalar {
        guard at < bytes.count else { throw error("a text has no end") }
        let letter = bytes[at]
        at += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(letter)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try unicode(bytes)
        default: throw error("there is no such escape")
        }
    }

    private mutating func unicode(_ bytes: Span<UInt8>) throws(JSONError) -> Unicode.Scalar {
        let first = try hex(bytes)
        if let scalar = Unicode.Scalar(first) { return scalar }
        // A surrogate: only a high one followed by a low one means something (RFC 8259 section 7).
        guard first < 0xDC00, bytes.count - at >= 2, bytes[at] == UInt8(ascii: "\\"), bytes[at + 1] == UInt8(ascii: "u")
        else { throw error("half of a surrogate pair") }
        at += 2
        let second = try hex(bytes)
        guard (0xDC00...0xDFFF).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw error("half of a surrogate pair") }
        return scalar
    }

    private mutating func hex(_ bytes: Span<UInt8>) throws(JSONError) -> UInt32 {
        guard bytes.count - at >= 4 else { throw error("four hexadecimal digits are expected") }
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = Character(UnicodeScalar(bytes[at])).hexDigitValue, bytes[at] < 0x80 else {
                throw error("four hexadecimal digits are expected")
            }
            value = value << 4 | UInt32(digit)
            at += 1
        }
        return value
    }
}
