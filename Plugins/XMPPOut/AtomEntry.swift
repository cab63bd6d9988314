// SPDX-License-Identifier: Apache-2.0

import PluginKit

/// A notice as an Atom entry with activity extensions, as StatusNet puts it behind a message's body.
///
/// What a notice's frame doesn't say is left out.
enum AtomEntry {
    private static let namespaces = [
        "xmlns": "http://www.w3.org/2005/Atom", "xmlns:thr": "http://purl.org/syndication/thread/1.0",
        "xmlns:activity": "http://activitystrea.ms/spec/1.0/", "xmlns:georss": "http://www.georss.org/georss",
        "xmlns:ostatus": "http://ostatus.org/schema/1.0", "xmlns:poco": "http://portablecontacts.net/spec/1.0",
        "xmlns:media": "http://purl.org/syndication/atommedia",
        "xmlns:statusnet": "http://status.net/schema/api/1/",
    ]
    /// Their order in a document, which a dictionary hasn't.
    private static let prefixes = [
        "xmlns", "xmlns:thr", "xmlns:activity", "xmlns:georss", "xmlns:ostatus", "xmlns:poco", "xmlns:media",
        "xmlns:statusnet",
    ]

    static func text(_ notice: Notice) -> String {
        let html = notice.rendered ?? XMLText.escaped(notice.content)
        var writer = Writer()
        writer.open("entry", prefixes.map { ($0, namespaces[$0]) })
        writer.element("activity:object-type", "http://activitystrea.ms/schema/1.0/note")
        writer.element("id", notice.uri)
        writer.element("title", notice.content)
        writer.element("content", html, [("type", "html")])
        writer.link("alternate", notice.url, type: "text/html")
        writer.element("activity:verb", verb(notice))
        if let created = notice.created {
            writer.element("published", created)
            writer.element("updated", created)
        }
        author(notice.author, &writer)
        if let reply = notice.replyTo {
            writer.empty("thr:in-reply-to", [("ref", reply.uri)])
            writer.link("related", reply.uri)
        }
        writer.link("ostatus:conversation", notice.frame["conversation_url"]?.string)
        if let repeated = notice.repeatOf { writer.link("ostatus:forward", repeated.uri) }
        if let latitude = notice.latitude, let longitude = notice.longitude {
            writer.element("georss:point", "\(latitude) \(longitude)")
        }
        for tag in notice.tags { writer.empty("category", [("term", tag)]) }
        if let license = notice.license { writer.link("license", license) }
        writer.empty(
            "statusnet:notice_info",
            [("local_id", notice.id.map { String($0) }), ("source", notice.source)]
        )
        writer.close("entry")
        return writer.text
    }

    private static func verb(_ notice: Notice) -> String {
        "http://activitystrea.ms/schema/1.0/\(notice.repeatOf == nil ? "post" : "share")"
    }

    private static func author(_ author: Author, _ writer: inout Writer) {
        writer.open("author", [])
        writer.element("activity:object-type", "http://activitystrea.ms/schema/1.0/person")
        writer.element("uri", author.uri)
        if let name = author.nickname ?? author.fullname { writer.element("name", name) }
        writer.link("alternate", author.profileURL, type: "text/html")
        writer.link("avatar", author.avatarURL)
        if let nickname = author.nickname { writer.element("poco:preferredUsername", nickname) }
        if let name = author.fullname { writer.element("poco:displayName", name) }
        writer.close("author")
    }

    private struct Writer {
        private(set) var text = ""

        mutating func open(_ name: String, _ attributes: [(String, String?)]) {
            start(name, attributes)
            text += ">"
        }

        mutating func close(_ name: String) { text += "</\(name)>" }

        mutating func empty(_ name: String, _ attributes: [(String, String?)]) {
            start(name, attributes)
            text += "/>"
        }

        mutating func element(_ name: String, _ content: String, _ attributes: [(String, String?)] = []) {
            open(name, attributes)
            text += XMLText.escaped(content)
            close(name)
        }

        mutating func link(_ relation: String, _ url: String?, type: String? = nil) {
            guard let url else { return }
            empty("link", [("rel", relation), ("type", type), ("href", url)])
        }

        private mutating func start(_ name: String, _ attributes: [(String, String?)]) {
            text += "<\(name)"
            for (name, value) in attributes {
                guard let value else { continue }
                text += " \(name)=\"\(XMLText.escaped(value))\""
            }
        }
    }
}
