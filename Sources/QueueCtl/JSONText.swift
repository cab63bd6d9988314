// SPDX-License-Identifier: Apache-2.0
import Control
import FoundationEssentials

/// JSON as `--json` prints it: sorted members, so that two outputs can be compared; slashes as they are.
enum JSONText {
    /// For a document: indented.
    static func document(_ value: JSONValue) throws -> String {
        try encode(value, [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    }

    /// For an element of a long list: one line.
    static func line(_ value: JSONValue) throws -> String {
        try encode(value, [.sortedKeys, .withoutEscapingSlashes])
    }

    private static func encode(_ value: JSONValue, _ formatting: JSONEncoder.OutputFormatting) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = formatting
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}

/// A JSON array that is printed while its elements still come in, one a line: no list is too long for it.
struct JSONArrayWriter {
    private var count = 0

    mutating func append(_ element: JSONValue) throws {
        try Output.write((count == 0 ? "[\n" : ",\n") + JSONText.line(element))
        count += 1
    }

    /// `suffix`: what closes the document around the array.
    func end(suffix: String = "") throws {
        try Output.line((count == 0 ? "[]" : "\n]") + suffix)
    }
}
