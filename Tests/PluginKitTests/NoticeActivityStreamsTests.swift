// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import PluginKit

@Suite struct NoticeActivityStreamsTests {
    /// As Mastodon writes it, shortened.
    static let create = """
        {"@context": ["https://www.w3.org/ns/activitystreams"], "id": "https://s.example/users/a/statuses/1/activity",
         "type": "Create", "actor": "https://s.example/users/a", "published": "2026-01-02T03:04:05Z",
         "to": ["https://www.w3.org/ns/activitystreams#Public"], "cc": ["https://s.example/users/a/followers"],
         "object": {"id": "https://s.example/users/a/statuses/1", "type": "Note", "inReplyTo": "https://o.example/9",
            "published": "2026-01-02T03:04:05Z", "url": "https://s.example/@a/1", "attributedTo": "https://s.example/users/a",
            "content": "<p>Hi <a href='x'>there</a> &amp; all<br/>#caf\u{E9}</p><p>Bye</p>",
            "to": ["https://www.w3.org/ns/activitystreams#Public"],
            "tag": [{"type": "Hashtag", "href": "x", "name": "#caf\u{E9}"}, {"type": "Mention", "name": "@b"}]}}
        """

    @Test("A Create with its Note is a notice")
    func create() throws {
        let notice = try Notice(parsing: Array(Self.create.utf8))
        #expect(notice.uri == "https://s.example/users/a/statuses/1" && notice.url == "https://s.example/@a/1")
        #expect(notice.content == "Hi there & all\n#caf\u{E9}\nBye" && notice.rendered?.hasPrefix("<p>Hi") == true)
        #expect(notice.author.uri == "https://s.example/users/a" && notice.replyTo?.uri == "https://o.example/9")
        #expect(
            notice.created == "2026-01-02T03:04:05Z" && notice.tags == ["caf\u{E9}"] && notice.locality == .isPublic
        )
        #expect(notice.frame["type"] == "Create")
    }

    @Test("A Note alone is one too, with all that its author's object says")
    func note() throws {
        let notice = try Notice(
            parsing: Array(
                """
                {"type": "Note", "id": "n", "content": "<b>x</b>", "source": {"content": "*x*", "mediaType": "text/plain"},
                 "attributedTo": {"id": "a", "type": "Person", "preferredUsername": "ann", "name": "Ann", "summary": "<p>me</p>",
                   "url": [{"type": "Link", "mediaType": "text/html", "href": "p"}], "icon": {"type": "Image", "url": "i"}},
                 "to": "https://s.example/f", "url": [{"mediaType": "video/mp4", "href": "v"}, {"mediaType": "text/html", "href": "h"}],
                 "location": {"type": "Place", "latitude": 1.25, "longitude": 2}, "generator": {"name": "app"}}
                """.utf8
            )
        )
        #expect(notice.content == "*x*" && notice.url == "h" && notice.locality == .isLocal && notice.source == "app")
        #expect(notice.author.nickname == "ann" && notice.author.fullname == "Ann" && notice.author.bio == "me")
        #expect(notice.author.profileURL == "p" && notice.author.avatarURL == "i")
        #expect(notice.latitude == 1.25 && notice.longitude == 2)
    }

    @Test("The actor's object is preferred to the note's bare id, and is_local to the addresses")
    func actor() throws {
        let frame = Self.create.replacing(
            "\"actor\": \"https://s.example/users/a\"",
            with: "\"actor\": {\"id\": \"https://s.example/users/a\", \"preferredUsername\": \"a\"}, \"is_local\": -2"
        )
        let notice = try Notice(parsing: Array(frame.utf8))
        #expect(notice.author.nickname == "a" && notice.locality == .isFromGateway)
    }

    @Test(
        "What is missing is named",
        arguments: [
            (#"{"type": "Create"}"#, "member \"object\": is missing"),
            (#"{"type": "Create", "object": "https://x"}"#, "member \"object\": expected an object, found a text"),
            (#"{"type": "Create", "object": {"type": "Video"}}"#, "member \"object\": expected an object of type Note"),
            (#"{"type": "Create", "object": {"type": "Note"}}"#, "member \"object.attributedTo\": is missing"),
            (#"{"type": "Note", "attributedTo": "a"}"#, "member \"id\": is missing"),
            (#"{"type": "Note", "attributedTo": "a", "id": "n"}"#, "member \"content\": is missing"),
            (
                #"{"type": "Note", "attributedTo": "a", "id": "n", "content": "<p> </p>"}"#,
                "member \"content\": is empty"
            ),
            (#"{"type": "Note", "attributedTo": {}, "id": "n", "content": "x"}"#, "member \"attributedTo\": has no id"),
        ]
    )
    func missing(frame: String, sentence: String) {
        #expect { try Notice(parsing: Array(frame.utf8)) } throws: { "\($0)" == sentence }
    }

    @Test(
        "HTML becomes the text that a reader sees",
        arguments: [
            ("plain", "plain"), ("a &lt; b &gt; c &quot;&apos;&#39;&#x27;", "a < b > c \"'''"), ("a&nbsp;b", "a b"),
            ("R&D &unknown; & co", "R&D &unknown; & co"), ("<p>a</p><p>b</p>", "a\nb"),
            ("a<br>b<BR />c<br/>d", "a\nb\nc\nd"),
            ("<ul><li>x</li></ul>", "x"), ("cut <a href='x", "cut"),
            ("&#0;&#xD800;&#1114112;", "&#0;&#xD800;&#1114112;"),
            ("a &amp;lt; b", "a &lt; b"), ("<p></p>", ""),
        ]
    )
    func plainText(html: String, text: String) { #expect(PlainText.from(html: html) == text) }
}
