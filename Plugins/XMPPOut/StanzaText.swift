// SPDX-License-Identifier: Apache-2.0

import PluginKit

/// What many contacts get: the part of a message behind its addresses, built once.
enum StanzaText {
    /// How each prepared part begins: the address and id of the item stand before it.
    static let type = " type='chat'>"

    static func plain(_ body: String) -> [UInt8] {
        Array("\(type)<body>\(XMLText.escaped(body))</body></message>".utf8)
    }

    /// What stays below the size that servers take from everybody (ejabberd's example configuration: 64 KiB).
    static let maxBytes = 60_000

    /// A notice as StatusNet sends it: plain body, XHTML-IM, Atom entry.
    ///
    /// Of one that is too long the entry is left out, then the XHTML; then the body is cut, with the notice's URL behind.
    static func notice(_ notice: Notice) -> [UInt8] {
        let nickname = notice.author.nickname ?? notice.author.fullname ?? notice.author.uri
        let number = notice.id.map { " [\($0)]" } ?? ""
        let end = "</message>".utf8
        var out = Array("\(type)<body>".utf8)
        XMLText.append("\(nickname): \(notice.content)\(number)", to: &out)
        if out.count > maxBytes {
            out = Array("\(type)<body>".utf8)
            XMLText.append("\(nickname): ", to: &out)
            let rest = XMLText.escaped("\u{2026} \(notice.url ?? notice.uri)")
            appendWhole(notice.content, to: &out, limit: maxBytes - rest.utf8.count)
            out.append(contentsOf: rest.utf8)
        }
        out.append(contentsOf: "</body>".utf8)
        let html = html(notice, nickname)
        let entry = Array(" \(AtomEntry.text(notice))".utf8)
        if out.count + html.count <= maxBytes { out.append(contentsOf: html) }
        if out.count + entry.count <= maxBytes { out.append(contentsOf: entry) }
        out.append(contentsOf: end)
        return out
    }

    /// As many whole characters as there is room for.
    private static func appendWhole(_ text: String, to out: inout [UInt8], limit: Int) {
        for character in text {
            let end = out.count
            XMLText.append(String(character), to: &out)
            guard out.count <= limit else { return out.removeSubrange(end...) }
        }
    }

    private static func html(_ notice: Notice, _ nickname: String) -> [UInt8] {
        let xhtml = HTMLFragment.namespace
        func link(_ url: String?, _ text: String) -> Element.Node {
            guard let url else { return .text(text) }
            return .element(Element("a", xhtml, ["href": url], [.text(text)]))
        }
        let rendered = notice.rendered.map { HTMLFragment.nodes($0) } ?? [.text(notice.content)]
        var body = Element("body", xhtml, [:], [link(notice.author.profileURL, nickname), .text(": ")] + rendered)
        if let id = notice.id {
            let conversation = notice.frame["conversation_url"]?.string.map { "\($0)#notice-\(id)" }
            body.children += [.text(" "), link(conversation ?? notice.url, "[\(id)]")]
        }
        let html = Element("html", "http://jabber.org/protocol/xhtml-im", [:], [.element(body)])
        return html.bytes
    }
}
