// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
package import QueueCore

/// One recipient as users write it: a JSON object with `plugin`, `author`, `target`, and if need be `key`,
/// `credentials` and `options`.
///
/// Any other member is an error, so that a typo can't pass for "no credentials".
struct RecipientLine: Decodable, Sendable {
    let plugin: String
    let change: RecipientChange

    private static let members = ["plugin", "author", "target", "key", "credentials", "options"]

    init(from decoder: any Decoder) throws {
        guard let container = try? decoder.container(keyedBy: AnyKey.self) else {
            throw RecipientDirectoryError.invalid(field: "recipient", reason: "is not a JSON object")
        }
        let unknown = container.allKeys.map(\.stringValue).filter { !Self.members.contains($0) }.sorted()
        if let first = unknown.first {
            throw RecipientDirectoryError.invalid(
                field: Self.shown(first),
                reason: "unknown member; known are \(Self.members.joined(separator: ", "))"
            )
        }
        func text(_ name: String) throws -> String? {
            let key = AnyKey(name)
            guard container.contains(key) else { return nil }
            guard let value = try? container.decode(String.self, forKey: key) else {
                throw RecipientDirectoryError.invalid(field: name, reason: "is not a text")
            }
            return value
        }
        func required(_ name: String) throws -> String {
            guard let value = try text(name) else {
                throw RecipientDirectoryError.invalid(field: name, reason: "is missing")
            }
            return value
        }
        func object(_ name: String) throws -> String? {
            let key = AnyKey(name)
            guard container.contains(key) else { return nil }
            if try container.decodeNil(forKey: key) { return "" }
            guard case .object(let members)? = try? container.decode(JSONValue.self, forKey: key) else {
                throw RecipientDirectoryError.invalid(field: name, reason: "is not a JSON object")
            }
            return try JSONObjectText.canonical(name, members)
        }
        plugin = try required("plugin")
        change = RecipientChange(
            author: try required("author"),
            target: try required("target"),
            key: try text("key") ?? "",
            credentials: try object("credentials"),
            options: try object("options")
        )
        hasKey = container.contains(AnyKey("key"))
        try FieldLimits.check(author: change.author, target: change.target, key: change.key)
    }

    /// Whether `key` was written: where rows are removed, no key means every key.
    let hasKey: Bool

    /// Parses one line that has to be for `plugin`.
    static func parse(_ bytes: [UInt8], plugin: PluginName) throws(RecipientDirectoryError) -> RecipientLine {
        let line: RecipientLine
        do {
            line = try JSONDecoder().decode(RecipientLine.self, from: Data(bytes))
        } catch let error as RecipientDirectoryError {
            throw error
        } catch {
            throw .invalid(field: "recipient", reason: "is not JSON")
        }
        guard line.plugin == plugin.rawValue else {
            throw .invalid(field: "plugin", reason: "is \(shown(line.plugin)), not \"\(plugin)\"")
        }
        return line
    }

    /// Somebody else's text in an error: short, and one line.
    private static func shown(_ text: String) -> String {
        var quoted = ""
        JSONValue.quote(String(text.prefix(60)), to: &quoted)
        return quoted
    }
}

extension Recipient {
    /// As a line of an export, without its line end.
    package func jsonLine(plugin: PluginName, includeSecrets: Bool) -> String {
        var line = "{"
        for (name, value) in [("plugin", plugin.rawValue), ("author", author), ("target", target), ("key", key)]
        where name != "key" || !value.isEmpty {
            if name != "plugin" { line += "," }
            line += "\"\(name)\":"
            JSONValue.quote(value, to: &line)
        }
        if includeSecrets, !credentials.isEmpty { line += ",\"credentials\":" + credentials }
        if !options.isEmpty { line += ",\"options\":" + options }
        return line + "}"
    }
}
