// SPDX-License-Identifier: Apache-2.0

// ActivityStreams 2.0 (W3C REC-activitystreams-core, activitystreams-vocabulary): a `Create` with its `Note` embedded,
// or a `Note` alone, read as a notice. Documents are compact JSON, as every server writes them; no JSON-LD processing.

extension Notice {
    /// Three spellings of the public collection (ActivityPub section 5.6).
    private static let publicAddresses = ["https://www.w3.org/ns/activitystreams#Public", "as:Public", "Public"]

    static func isActivity(_ frame: JSON) -> Bool {
        let types = types(frame)
        return types.contains("Create") || types.contains("Note")
    }

    init(activity frame: JSON) throws(FrameError) {
        let outer = try FrameReader(frame)
        let isCreate = Self.types(frame).contains("Create")
        let note = isCreate ? try outer.requiredObject("object") : outer
        if isCreate, let object = outer.member("object"), !Self.types(object).contains("Note") {
            throw outer.error("object", "expected an object of type Note")
        }
        guard let author = note.member("attributedTo") ?? outer.member("actor") else {
            throw note.error("attributedTo", "is missing")
        }
        // A whole actor says more than its id does; the activity usually has the one, the note the other.
        let actor = [outer.member("actor"), author].lazy.compactMap { $0 }.first { $0["id"] != nil } ?? author
        let html = try note.string("content")
        var published = try note.string("published")
        if published == nil { published = try outer.string("published") }
        let place = note.member("location")
        self.init(
            uri: try note.requiredString("id"),
            url: Self.link(note.member("url")),
            content: try Self.plainText(note, html: html),
            rendered: html,
            created: published,
            source: note.member("generator")?["name"]?.string,
            author: try Self.author(actor, note),
            replyTo: Self.id(note.member("inReplyTo")).map { Reference(uri: $0, id: nil, nickname: nil) },
            locality: try Self.locality(note, outer),
            latitude: place?["latitude"]?.double,
            longitude: place?["longitude"]?.double,
            license: note.member("license")?.string,
            tags: Self.list(note.member("tag")).filter { Self.types($0).contains("Hashtag") }
                .compactMap { $0["name"]?.string.map { String($0.drop { $0 == "#" }) } },
            frame: frame
        )
    }

    private static func types(_ value: JSON) -> [String] { list(value["type"]).compactMap(\.string) }

    /// A property that may have one value or several.
    private static func list(_ value: JSON?) -> [JSON] {
        switch value {
        case nil, .null: []
        case .array(let elements): elements
        case let value?: [value]
        }
    }

    /// A reference by id or as an embedded object.
    private static func id(_ value: JSON?) -> String? {
        list(value).lazy.compactMap { $0.string ?? $0["id"]?.string }.first
    }

    /// A URL, or the first of several Links, those to HTML before others.
    private static func link(_ value: JSON?) -> String? {
        let links = list(value)
        let page = links.first { $0.string != nil || $0["mediaType"]?.string == "text/html" } ?? links.first
        return page?.string ?? page?["href"]?.string
    }

    /// What a client typed where it says so, otherwise the HTML without its tags.
    private static func plainText(_ note: FrameReader, html: String?) throws(FrameError) -> String {
        if let source = note.member("source"), let text = source["content"]?.string, !text.isEmpty,
            source["mediaType"]?.string ?? "text/plain" == "text/plain"
        {
            return text
        }
        guard let html else { throw note.error("content", "is missing") }
        let text = PlainText.from(html: html)
        guard !text.isEmpty else { throw note.error("content", "is empty") }
        return text
    }

    private static func author(_ actor: JSON, _ note: FrameReader) throws(FrameError) -> Author {
        guard let uri = id(actor), !uri.isEmpty else { throw note.error("attributedTo", "has no id") }
        let name = actor["preferredUsername"]?.string
        return Author(
            uri: uri,
            nickname: name,
            fullname: actor["name"]?.string,
            profileURL: link(actor["url"]),
            avatarURL: list(actor["icon"]).lazy.compactMap { link($0["url"]) ?? $0.string }.first,
            bio: actor["summary"]?.string.map { PlainText.from(html: $0) }
        )
    }

    /// `is_local` where the producer adds it, otherwise by whom the note is addressed to.
    private static func locality(_ note: FrameReader, _ outer: FrameReader) throws(FrameError) -> Locality {
        for reader in [note, outer] where reader.member("is_local") != nil { return try locality(reader) }
        let recipients = [note, outer].flatMap { reader in
            list(reader.member("to")) + list(reader.member("cc")) + list(reader.member("audience"))
        }
        let isPublic = recipients.compactMap { id($0) }.contains { publicAddresses.contains($0) }
        return isPublic || recipients.isEmpty ? .isPublic : .isLocal
    }
}
