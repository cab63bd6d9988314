// SPDX-License-Identifier: Apache-2.0

import PluginKit

/// What a contact sends, as an item of `xmppin`.
///
/// nil for what StatusNet leaves out too: other types than chat, no body, machines that answer machines, encrypted talk.
struct IncomingMessage: Hashable {
    /// More is cut off: a frame has its limit.
    private static let maxBody = 65_536

    let from: JID
    let to: String
    let type: String
    let body: String
    let id: String?

    init?(_ message: Element) {
        guard message.name == "message", let from = message["from"].flatMap({ JID($0) }) else { return nil }
        // A missing type counts as chat.
        let type = message["type"] ?? "chat"
        let body = message.child("body")?.text ?? ""
        guard type == "chat", !body.allSatisfy(\.isWhitespace), !Self.isNoise(body) else { return nil }
        self.from = from
        to = message["to"] ?? ""
        self.type = type
        self.body = String(body.prefix(Self.maxBody))
        id = message["id"]
    }

    func frame(site: String, time: UnixTime) -> JSON {
        [
            "site": .string(site), "from": .string(from.description), "to": .string(to), "type": .string(type),
            "body": .string(body), "id": id.map { .string($0) } ?? .null, "time": .number(String(time.milliseconds)),
        ]
    }

    static func isNoise(_ body: String) -> Bool {
        if body.hasPrefix("?OTR") || body.contains("Offline storage size was exceeded.") { return true }
        // "[auto reply]", "(Auto-Response)": by what stands before the bracket's end.
        let lower = body.lowercased()
        var rest = lower[...]
        while let found = rest.firstRange(of: "auto") {
            rest = rest[found.upperBound...]
            var word = rest
            if let first = word.first, first == "-" || first.isWhitespace { word = word.dropFirst() }
            for ending in ["reply", "response"] where word.hasPrefix(ending) {
                if let next = word.dropFirst(ending.count).first, next == "]" || next == ")" { return true }
            }
        }
        return false
    }
}
