// SPDX-License-Identifier: Apache-2.0
package import Logging

/// One event as one line.
///
/// Whatever message and values hold, the line stays one line and does no harm to a terminal.
package struct LogLine: Sendable {
    package var time: LogTime
    package var level: Logger.Level
    package var role: String
    package var pid: Int32
    package var message: String
    /// In the order of printing.
    package var fields: [(key: String, value: Logger.MetadataValue)]

    package init(
        time: LogTime,
        level: Logger.Level,
        role: String,
        pid: Int32,
        message: String,
        fields: [(key: String, value: Logger.MetadataValue)] = []
    ) {
        self.time = time
        self.level = level
        self.role = role
        self.pid = pid
        self.message = message
        self.fields = fields
    }

    /// With its line end.
    package func bytes(_ format: LogFormat) -> [UInt8] {
        Array((format == .text ? text : json).utf8) + [UInt8(ascii: "\n")]
    }

    // MARK: - Text

    /// `2026-11-25T10:00:00.123Z info broker[42] message key=value other="two words"`.
    private var text: String {
        var line = "\(time) \(level) \(role)[\(pid)] "
        Self.append(escaped: Self.cut(message), to: &line)
        for (key, value) in fields {
            line += " "
            Self.append(escaped: key, to: &line)
            line += "="
            Self.append(value: Self.cut(Self.plain(value)), to: &line)
        }
        return line
    }

    /// In quotes where a reader couldn't tell where the value ends.
    private static func append(value: String, to line: inout String) {
        guard
            value.isEmpty
                || value.unicodeScalars.contains(where: { " =\"\\".unicodeScalars.contains($0) || breaks($0) })
        else {
            line += value
            return
        }
        line += "\""
        append(escaped: value, isQuoted: true, to: &line)
        line += "\""
    }

    private static func append(escaped text: String, isQuoted: Bool = false, to line: inout String) {
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": line += "\\n"
            case "\r": line += "\\r"
            case "\t": line += "\\t"
            case "\"" where isQuoted: line += "\\\""
            case "\\" where isQuoted: line += "\\\\"
            case _ where breaks(scalar): line += "\\u{\(String(scalar.value, radix: 16))}"
            default: line.unicodeScalars.append(scalar)
            }
        }
    }

    /// Ends a line, or changes how a terminal shows what follows: C0, DEL, C1, line separators, directional marks.
    private static func breaks(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0x2028...0x202E, 0x200E...0x200F, 0x2066...0x2069, 0xFEFF: true
        default: false
        }
    }

    private static func plain(_ value: Logger.MetadataValue) -> String {
        switch value {
        case .string(let text): text
        case .stringConvertible(let value): value.description
        case .array(let values): "[" + values.map(plain).joined(separator: ",") + "]"
        case .dictionary(let values):
            "{" + values.sorted { $0.key < $1.key }.map { "\($0.key):\(plain($0.value))" }.joined(separator: ",") + "}"
        }
    }

    /// A message or value is cut here: a line that a handler fills with a whole response helps nobody.
    private static let longest = 4096

    private static func cut(_ text: String) -> String {
        guard text.utf8.count > longest else { return text }
        let kept = text.utf8.prefix(longest)
        // Never between the bytes of one character.
        let end = text.unicodeScalars.index(before: text.unicodeScalars.index(after: kept.endIndex))
        return String(text.unicodeScalars[..<min(end, kept.endIndex)]) + "...(\(text.utf8.count) bytes)"
    }

    // MARK: - JSON

    private var json: String {
        var line = "{\"time\":\"\(time)\",\"level\":\"\(level)\",\"role\":"
        Self.append(json: role, to: &line)
        line += ",\"pid\":\(pid),\"message\":"
        Self.append(json: Self.cut(message), to: &line)
        if !fields.isEmpty {
            line += ",\"fields\":"
            Self.append(json: fields, to: &line)
        }
        return line + "}"
    }

    private static func append(json fields: [(key: String, value: Logger.MetadataValue)], to line: inout String) {
        line += "{"
        for (index, field) in fields.enumerated() {
            if index > 0 { line += "," }
            append(json: field.key, to: &line)
            line += ":"
            append(json: field.value, to: &line)
        }
        line += "}"
    }

    private static func append(json value: Logger.MetadataValue, to line: inout String) {
        switch value {
        case .string(let text): append(json: cut(text), to: &line)
        case .stringConvertible(let value): append(json: cut(value.description), to: &line)
        case .array(let values):
            line += "["
            for (index, value) in values.enumerated() {
                if index > 0 { line += "," }
                append(json: value, to: &line)
            }
            line += "]"
        case .dictionary(let values):
            append(json: values.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }, to: &line)
        }
    }

    /// RFC 8259 section 7.
    private static func append(json text: String, to line: inout String) {
        line += "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": line += "\\\""
            case "\\": line += "\\\\"
            case "\n": line += "\\n"
            case "\r": line += "\\r"
            case "\t": line += "\\t"
            case _ where breaks(scalar):
                let digits = String(scalar.value, radix: 16)
                line += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
            default: line.unicodeScalars.append(scalar)
            }
        }
        line += "\""
    }
}
