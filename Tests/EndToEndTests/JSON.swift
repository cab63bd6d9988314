// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A JSON document as queuectl prints it; what isn't there reads as null.
enum JSON: Decodable, Equatable, Sendable {
    case null
    case bool(Bool)
    case number(Double)
    case text(String)
    case list([JSON])
    case object([String: JSON])

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            self = .null
        } else if let flag = try? value.decode(Bool.self) {
            self = .bool(flag)
        } else if let number = try? value.decode(Double.self) {
            self = .number(number)
        } else if let text = try? value.decode(String.self) {
            self = .text(text)
        } else if let list = try? value.decode([JSON].self) {
            self = .list(list)
        } else {
            self = .object(try value.decode([String: JSON].self))
        }
    }

    static func parse(_ text: String) throws -> JSON {
        try JSONDecoder().decode(JSON.self, from: Data(text.utf8))
    }

    subscript(name: String) -> JSON {
        if case .object(let members) = self { members[name] ?? .null } else { .null }
    }

    var members: Set<String> {
        if case .object(let members) = self { Set(members.keys) } else { [] }
    }

    var list: [JSON] {
        if case .list(let list) = self { list } else { [] }
    }

    var text: String? {
        if case .text(let text) = self { text } else { nil }
    }

    var int: Int? {
        if case .number(let number) = self { Int(number) } else { nil }
    }
}
