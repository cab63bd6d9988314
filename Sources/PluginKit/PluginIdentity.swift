// SPDX-License-Identifier: Apache-2.0

/// The words of the ELF note that hostd reads before it loads a file (`hostd_note` in hostd_plugin.h).
///
/// `scripts/plugin-note ID VERSION` writes the constant; Swift has to see it as a literal to put it into a section.
public typealias PluginNote = InlineArray<33, UInt32>

/// Who a plugin is: the id that never changes, and the version that people see.
public struct PluginIdentity: Sendable, Hashable {
    /// Reverse DNS, as `org.example.welcome`: 1 to 63 characters of `a-z 0-9 . -`.
    public let id: String
    /// The plugin's own version, at most 39 bytes.
    public let version: String

    /// Reads the identity out of a note, so that it is written down once.
    public init(note: borrowing PluginNote) {
        var bytes: [UInt8] = []
        for index in note.indices {
            let word = note[index]
            for shift in stride(from: UInt32(0), to: 32, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: word >> shift))
            }
        }
        // The header's 12 bytes, the name's 8 and the numbers' 8 come before the id.
        id = Self.text(bytes[28..<92])
        version = Self.text(bytes[92..<132])
    }

    /// An identity without a note, for a plugin that only tests use.
    public init(id: String, version: String) {
        self.id = id
        self.version = version
    }

    private static func text(_ field: ArraySlice<UInt8>) -> String {
        String(decoding: field.prefix { $0 != 0 }, as: UTF8.self)
    }
}
