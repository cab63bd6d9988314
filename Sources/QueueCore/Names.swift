// SPDX-License-Identifier: Apache-2.0

/// A name that was checked when it came in, so that nobody checks it again.
///
/// All names are 1 to 64 characters of `A-Z a-z 0-9 _ . -`, and begin with a letter, a digit or `_`: safe in STOMP
/// headers, file names, SQL text, metric labels and log lines.
package protocol CheckedName: Hashable, Comparable, Sendable, Codable, CustomStringConvertible, CodingKeyRepresentable {
    var rawValue: String { get }
    init(unchecked rawValue: String)
}

extension CheckedName {
    /// nil where `rawValue` isn't a legal name.
    package init?(_ rawValue: String) {
        guard Self.isLegal(rawValue) else { return nil }
        self.init(unchecked: rawValue)
    }

    package static func isLegal(_ text: String) -> Bool {
        let bytes = text.utf8
        guard let first = bytes.first, bytes.count <= 64, first != UInt8(ascii: "."), first != UInt8(ascii: "-") else {
            return false
        }
        return bytes.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"):
                true
            default: false
            }
        }
    }

    package var description: String { rawValue }
    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    package init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let name = Self(text) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "\(Self.self): not a legal name: \"\(text)\"")
            )
        }
        self = name
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }

    package var codingKey: any CodingKey { NameKey(stringValue: rawValue) }
    package init?<Key: CodingKey>(codingKey: Key) { self.init(codingKey.stringValue) }
}

private struct NameKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

/// One community, by nickname (glossary: docs/map.md).
package struct SiteName: CheckedName {
    package let rawValue: String
    package init(unchecked rawValue: String) { self.rawValue = rawValue }
}

/// A named list of items with one handler.
package struct QueueName: CheckedName {
    package let rawValue: String
    package init(unchecked rawValue: String) { self.rawValue = rawValue }

    /// hostd's own: takes a notice and distributes it to the stage-1 queues of all plugins enabled on the site.
    package static let notice = QueueName(unchecked: "notice")
}

/// Queues that share a destination and worker processes.
package struct GroupName: CheckedName {
    package let rawValue: String
    package init(unchecked rawValue: String) { self.rawValue = rawValue }

    package static let main = GroupName(unchecked: "main")
}

/// A plugin's name in configuration: its file in plugins.d without `.so`.
package struct PluginName: CheckedName {
    package let rawValue: String
    package init(unchecked rawValue: String) { self.rawValue = rawValue }
}
