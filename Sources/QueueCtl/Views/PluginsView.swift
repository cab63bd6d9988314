// SPDX-License-Identifier: Apache-2.0
import Control

/// `queuectl plugins` for people: one row a file, and below it why a file isn't loaded.
struct PluginsView {
    let plugins: [JSONValue]

    func rendered(in terminal: Terminal) -> String {
        guard !plugins.isEmpty else { return terminal.paint("plugins.d holds no .so file.", .dim) + "\n" }
        var table = Table([
            .init(title: "FILE"), .init(title: "STATE"), .init(title: "ID"), .init(title: "VERSION"),
            .init(title: "ABI"), .init(title: "QUEUES"), .init(title: "GENERATION", alignment: .trailing),
            .init(title: "WORKERS", alignment: .trailing),
        ])
        var notes: [String] = []
        for plugin in plugins {
            let state = plugin["state"]?.string
            table.add([
                .init(plugin["file"]?.string), .init(state, state.flatMap(Self.ink)), .init(plugin["id"]?.string),
                .init(plugin["version"]?.string), .init(Self.abi(plugin["abi"])),
                .init((plugin["queues"]?.array ?? []).compactMap(\.string).joined(separator: " ")),
                .init(plugin["generation"]?.int.map(String.init)), .init(Self.workers(plugin["workers"])),
            ])
            if let reason = plugin["reason"]?.string, !reason.isEmpty {
                // Whole, however long: this line is what the author of the plugin needs.
                let file = plugin["file"]?.string ?? "?"
                let sentence = reason.hasPrefix(file + ": ") ? String(reason.dropFirst(file.count + 2)) : reason
                notes.append(terminal.paint(DisplayText(file).text, .bold) + ": " + DisplayText(sentence).text + "\n")
            }
        }
        return table.rendered(in: terminal) + (notes.isEmpty ? "" : "\n" + notes.joined())
    }

    static func ink(_ state: String) -> Ink? {
        switch state {
        case "loaded": .good
        case "refused", "failed": .bad
        case "disabled": .dim
        default: nil
        }
    }

    /// `1.2`: major, and the minor that the plugin was built with; `1.2 (needs 1.1)` where it asks for less.
    static func abi(_ abi: JSONValue?) -> String? {
        guard let major = abi?["major"]?.int else { return nil }
        guard let built = abi?["built_minor"]?.int else { return "\(major)" }
        let need = abi?["need_minor"]?.int ?? built
        return "\(major).\(built)" + (need == built ? "" : " (needs \(major).\(need))")
    }

    private static func workers(_ value: JSONValue?) -> String? {
        value?.int.map(String.init) ?? value?.array.map { String($0.count) }
    }
}
