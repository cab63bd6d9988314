// SPDX-License-Identifier: Apache-2.0
import Control

/// What of plugins, sites and configuration needs a person, as `queuectl status` says it: one sentence each.
///
/// Pure: made from the reports that `queuectl plugins` and `queuectl sites` show.
struct HostNeeds: Sendable {
    let plugins: JSONValue
    let sites: JSONValue
    let configErrors: [String]
    var memory = MemoryNeeds()

    var sentences: [String] {
        var all: [String] = []
        for plugin in plugins.array ?? [] {
            guard let reason = plugin["reason"]?.string, !reason.isEmpty else { continue }
            let file = plugin["file"]?.string ?? "?"
            let why = reason.hasPrefix(file + ": ") ? String(reason.dropFirst(file.count + 2)) : reason
            switch plugin["state"]?.string {
            // It runs, but not as somebody meant it to.
            case "loaded": all.append("Plugin \(file): \(why).")
            case "refused", "failed": all.append("Plugin \(file) can't run: \(why).")
            default: break
            }
        }
        if let first = configErrors.first {
            let more = configErrors.count > 1 ? " (and \(configErrors.count - 1) more: hostd --check)" : ""
            all.append("The changed configuration was refused, the old one is in force: \(first)\(more).")
        }
        for site in sites.array ?? [] {
            guard let error = site["error"]?.string, !error.isEmpty, !configErrors.contains(error) else { continue }
            all.append("Site \(site["nickname"]?.string ?? "?"): \(error).")
        }
        return all + memory.sentences
    }

    private static let silence = "The broker doesn't answer: hostd starts it again by itself; its log says why."

    /// The whole answer to `status`; nil: the broker gave none.
    func status(own: [String: JSONValue], brokers: JSONValue?) -> JSONValue {
        var members: [String: JSONValue] = ["queues": .array([]), "lanes": .array([])]
        members.merge(brokers?.object ?? [:]) { $1 }
        members.merge(own) { $1 }
        var needs = sentences.map(JSONValue.string)
        if brokers == nil {
            needs.insert(.string(Self.silence), at: 0)
        }
        members["needs"] = .array(needs + (brokers?["needs"]?.array ?? []))
        return .object(members)
    }
}
