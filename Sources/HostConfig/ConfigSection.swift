// SPDX-License-Identifier: Apache-2.0
import Yams

/// One mapping of a document, read key by key; what nobody asked for is an unknown key.
final class ConfigSection {
    struct Entry {
        let name: String
        let line: Int
        let node: Node
    }

    let document: ConfigDocument
    /// Dotted; empty = the root.
    let path: String
    let entries: [Entry]
    private var asked: [String] = []
    private var acceptsAnyKey = false
    private var children: [ConfigSection] = []

    /// `node` nil or empty = no key is given.
    init(_ node: Node?, path: String = "", document: ConfigDocument) {
        self.document = document
        self.path = path
        var entries: [Entry] = []
        if let node, !node.isNothing {
            if let mapping = node.mapping {
                for (key, value) in mapping {
                    if let name = key.scalar?.string {
                        entries.append(Entry(name: name, line: key.line, node: value))
                    } else {
                        KeyReader(document: document, key: path).reject(key, wanted: "the name of a key")
                    }
                }
            } else {
                KeyReader(document: document, key: path).reject(node, wanted: "a mapping (KEY: VALUE lines)")
            }
        }
        self.entries = entries
    }

    /// Leaves `value` as it is where the key isn't given or its error was reported.
    func read<Value>(_ key: String, _ form: ConfigForm<Value>, into value: inout Value) {
        asked.append(key)
        let full = name(of: key)
        document.note(key: full)
        guard let entry = entry(key) else { return }
        if let found = form.read(entry.node, KeyReader(document: document, key: full)) { value = found }
    }

    /// The section below `key`.
    func section(_ key: String) -> ConfigSection {
        asked.append(key)
        let child = ConfigSection(entry(key)?.node, path: name(of: key), document: document)
        children.append(child)
        return child
    }

    /// Somebody else judges the keys here.
    func acceptAnyKey() { acceptsAnyKey = true }

    func entry(_ key: String) -> Entry? { entries.first { $0.name == key } }

    /// Whether the file says something for `key`, right or wrong.
    func isGiven(_ key: String) -> Bool { entry(key).map { !$0.node.isNothing } ?? false }

    /// Where to point to for an error about `key`.
    func place(of key: String) -> ConfigPlace {
        document.place(line: entry(key)?.line ?? 0, key: name(of: key))
    }

    func conflict(_ key: String, _ problem: String) {
        document.report(.conflict(place(of: key), problem: problem))
    }

    /// Reports every key that wasn't asked for, here and below; call when all were read.
    func reportUnknownKeys() {
        for entry in entries where !acceptsAnyKey && !asked.contains(entry.name) {
            // Right name, wrong section: the full name is what was meant.
            let elsewhere = document.knownKeys.first { $0.split(separator: ".").last.map(String.init) == entry.name }
            document.report(
                .unknownKey(
                    document.place(line: entry.line, key: name(of: entry.name)),
                    suggestion: NearestName.nearest(to: entry.name, among: asked) ?? elsewhere
                )
            )
        }
        for child in children { child.reportUnknownKeys() }
    }

    private func name(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }
}

/// One key of a document while its value is read.
struct KeyReader {
    let document: ConfigDocument
    let key: String

    func place(_ node: Node) -> ConfigPlace { document.place(line: node.line, key: key) }

    func reject(_ node: Node, wanted: String, isSecret: Bool = false) {
        document.report(.wrongValue(place(node), wanted: wanted, found: node.found(isSecret: isSecret)))
    }
}

extension Node {
    var line: Int { mark?.line ?? 0 }

    /// Nothing after the colon, or `null`.
    var isNothing: Bool {
        guard let scalar, scalar.style == .plain else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }

    var isList: Bool { sequence != nil }

    /// What stands here, in words for an error; a secret's text stays out of it.
    func found(isSecret: Bool) -> String {
        switch self {
        case .scalar where isNothing: "nothing"
        case .scalar where isSecret: "a text"
        case .scalar(let scalar): (scalar.style == .plain ? "" : "the text ") + Quoted.text(scalar.string)
        case .sequence: "a list"
        case .mapping: "a mapping"
        case .alias: "an alias"
        }
    }
}

enum Quoted {
    /// In quotes, short, and without anything that breaks a line or a terminal.
    static func text(_ text: String) -> String {
        let safe = text.unicodeScalars.prefix(60).map { scalar in
            scalar.properties.generalCategory == .control || scalar.properties.generalCategory == .format
                ? "\\u{\(String(scalar.value, radix: 16))}" : String(scalar)
        }
        return "\"" + safe.joined() + (text.unicodeScalars.count > 60 ? "..." : "") + "\""
    }
}
