// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

/// JSON objects that hostd keeps without looking inside, as text: compact, members in the order of their names, so that
/// the same object is the same text.
enum JSONObjectText {
    /// The canonical text of a JSON object; empty for none (`text` empty, or an object without members).
    static func canonical(_ field: String, _ text: String) throws(RecipientDirectoryError) -> String {
        if text.isEmpty { return "" }
        let value = try? JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
        guard case .object(let members) = value else { throw .invalid(field: field, reason: "is not a JSON object") }
        return try canonical(field, members)
    }

    static func canonical(_ field: String, _ members: [String: JSONValue]) throws(RecipientDirectoryError) -> String {
        if members.isEmpty { return "" }
        var text = ""
        JSONValue.object(members).write(to: &text)
        guard text.utf8.count <= FieldLimits.object else {
            throw .invalid(field: field, reason: "is longer than \(FieldLimits.object / 1024) KiB")
        }
        return text
    }
}

/// Any JSON value.
enum JSONValue: Decodable, Hashable, Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    init(from decoder: any Decoder) throws {
        // The commonest first: each miss costs a thrown error.
        if let members = try? decoder.container(keyedBy: AnyKey.self) {
            var object: [String: JSONValue] = [:]
            for key in members.allKeys {
                if let text = try? members.decode(String.self, forKey: key) {
                    object[key.stringValue] = .string(text)
                } else {
                    object[key.stringValue] = try members.decode(JSONValue.self, forKey: key)
                }
            }
            self = .object(object)
            return
        }
        let single = try decoder.singleValueContainer()
        if let text = try? single.decode(String.self) {
            self = .string(text)
        } else if single.decodeNil() {
            self = .null
        } else if let flag = try? single.decode(Bool.self) {
            self = .bool(flag)
        } else if let integer = try? single.decode(Int64.self) {
            self = .integer(integer)
        } else if let number = try? single.decode(Double.self) {
            self = .number(number)
        } else {
            self = .array(try single.decode([JSONValue].self))
        }
    }

    func write(to text: inout String) {
        switch self {
        case .null: text += "null"
        case .bool(let flag): text += flag ? "true" : "false"
        case .integer(let integer): text += String(integer)
        case .number(let number): text += String(number)
        case .string(let string): Self.quote(string, to: &text)
        case .array(let values):
            text += "["
            for (index, value) in values.enumerated() {
                if index > 0 { text += "," }
                value.write(to: &text)
            }
            text += "]"
        case .object(let members):
            text += "{"
            for (index, member) in members.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { text += "," }
                Self.quote(member.key, to: &text)
                text += ":"
                member.value.write(to: &text)
            }
            text += "}"
        }
    }

    /// RFC 8259 section 7.
    static func quote(_ string: String, to text: inout String) {
        text += "\""
        if string.utf8.allSatisfy({ $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) {
            text += string
        } else {
            for scalar in string.unicodeScalars {
                switch scalar {
                case "\"": text += "\\\""
                case "\\": text += "\\\\"
                case "\n": text += "\\n"
                case "\r": text += "\\r"
                case "\t": text += "\\t"
                case _ where scalar.value < 0x20:
                    let digits = String(scalar.value, radix: 16)
                    text += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
                default: text.unicodeScalars.append(scalar)
                }
            }
        }
        text += "\""
    }
}

struct AnyKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(_ name: String) { stringValue = name }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}
