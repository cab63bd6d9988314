// SPDX-License-Identifier: Apache-2.0

/// A JSON value (RFC 8259) that keeps what it was read from: the order of members, and numbers as they were written.
///
/// PluginKit's own, because frames and credentials are read for each delivery, an error has to name the member, unknown
/// members have to survive, and a plugin that needs nothing else of Foundation stays 5 MB smaller.
public enum JSON: Sendable, Hashable {
    /// `null`
    case null
    /// `true` or `false`
    case bool(Bool)
    /// A number, as it was written.
    case number(String)
    /// A text.
    case string(String)
    /// A list.
    case array([JSON])
    /// An object, its members in order.
    case object([Member])

    /// A member of an object.
    public struct Member: Sendable, Hashable {
        /// Its name.
        public let name: String
        /// Its value.
        public let value: JSON

        /// A member.
        public init(_ name: String, _ value: JSON) {
            self.name = name
            self.value = value
        }
    }

    /// Reads one value; nothing but white space may follow.
    public init(parsing bytes: [UInt8]) throws(JSONError) { try self.init(parsing: bytes.span) }

    /// Reads one value; nothing but white space may follow.
    public init(parsing bytes: Span<UInt8>) throws(JSONError) {
        var parser = JSONParser()
        self = try parser.document(bytes)
    }

    /// A member of an object; nil where there is none, or this is no object.
    ///
    /// Of members with one name the last counts.
    public subscript(name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.last { $0.name == name }?.value
    }

    /// The text, where this is one.
    public var string: String? { if case .string(let text) = self { text } else { nil } }
    /// The truth, where this is one.
    public var bool: Bool? { if case .bool(let truth) = self { truth } else { nil } }
    /// The whole number, where this is one.
    public var int: Int? { if case .number(let text) = self { Int(text) } else { nil } }
    /// The number, where this is one.
    public var double: Double? { if case .number(let text) = self { Double(text) } else { nil } }
    /// The elements, where this is a list.
    public var array: [JSON]? { if case .array(let elements) = self { elements } else { nil } }
    /// True for `null`.
    public var isNull: Bool { self == .null }

    /// What this is, in words, for an error's text.
    public var kind: String {
        switch self {
        case .null: "null"
        case .bool: "true or false"
        case .number(let text): "the number \(text)"
        case .string: "a text"
        case .array: "a list"
        case .object: "an object"
        }
    }

    /// The value as JSON, on one line.
    public var text: String {
        var text = ""
        write(to: &text)
        return text
    }

    /// The value as JSON in UTF-8, as an item's payload wants it.
    public var bytes: [UInt8] { [UInt8](text.utf8) }

    private func write(to text: inout String) {
        switch self {
        case .null: text += "null"
        case .bool(let truth): text += truth ? "true" : "false"
        case .number(let number): text += number
        case .string(let string): Self.write(string, to: &text)
        case .array(let elements):
            text += "["
            for (index, element) in elements.enumerated() {
                if index > 0 { text += "," }
                element.write(to: &text)
            }
            text += "]"
        case .object(let members):
            text += "{"
            for (index, member) in members.enumerated() {
                if index > 0 { text += "," }
                Self.write(member.name, to: &text)
                text += ":"
                member.value.write(to: &text)
            }
            text += "}"
        }
    }

    private static func write(_ string: String, to text: inout String) {
        text += "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case "\u{0}"..<" ":
                let hex = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    /// A text.
    public init(stringLiteral text: String) { self = .string(text) }
    /// A whole number.
    public init(integerLiteral number: Int) { self = .number(String(number)) }
    /// A truth.
    public init(booleanLiteral truth: Bool) { self = .bool(truth) }
    /// A list.
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
    /// An object.
    public init(dictionaryLiteral members: (String, JSON)...) { self = .object(members.map { Member($0.0, $0.1) }) }
}

/// Where a text stops being JSON, and why.
public struct JSONError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The byte, counted from 0.
    public let offset: Int
    /// What was found or is missing.
    public let problem: String

    /// One sentence.
    public var description: String { "not JSON: at byte \(offset): \(problem)" }
}
