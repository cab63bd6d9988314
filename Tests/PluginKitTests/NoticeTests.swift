// SPDX-License-Identifier: Apache-2.0

import PluginKit
import Testing

@Suite struct NoticeTests {
    static let whole = """
        {"id": 42, "uri": "http://alice.example/notice/42", "url": "http://alice.example/n42", "content": "Hello",
         "rendered": "<p>Hello</p>", "created": "2026-11-24T10:00:00Z", "source": "web", "mood": "good",
         "author": {"id": 7, "uri": "http://alice.example/user/7", "nickname": "alice", "fullname": "Alice",
                    "profile_url": "http://alice.example/alice", "avatar_url": "http://alice.example/a.png"},
         "reply_to": {"uri": "http://bob.example/1", "nickname": "bob"}, "repeat_of": null, "is_local": 1, "lat": 1.5, "lon": -2,
         "license": "http://creativecommons.org/licenses/by/3.0/", "tags": ["hello"]}
        """

    @Test("A whole notice is read, unknown members kept")
    func reads() throws {
        let notice = try Notice(parsing: Array(Self.whole.utf8))
        #expect(
            notice.id == 42 && notice.uri == "http://alice.example/notice/42"
                && notice.url == "http://alice.example/n42"
        )
        #expect(notice.content == "Hello" && notice.rendered == "<p>Hello</p>" && notice.source == "web")
        #expect(
            notice.author.uri == "http://alice.example/user/7" && notice.author.nickname == "alice"
                && notice.author.id == 7
        )
        #expect(
            notice.author.avatarURL == "http://alice.example/a.png"
                && notice.author.profileURL == "http://alice.example/alice"
        )
        #expect(notice.replyTo?.nickname == "bob" && notice.repeatOf == nil && notice.tags == ["hello"])
        #expect(notice.latitude == 1.5 && notice.longitude == -2 && notice.created == "2026-11-24T10:00:00Z")
        #expect(notice.frame["mood"] == "good")
    }

    @Test(
        "Where a notice came from decides who gets it",
        arguments: [
            ("1", Notice.Locality.isPublic, true, true), ("true", .isPublic, true, true), ("-1", .isLocal, true, false),
            ("-2", .isFromGateway, false, false), ("0", .isRemote, false, false), ("false", .isRemote, false, false),
            ("null", .isPublic, true, true),
        ]
    )
    func locality(value: String, locality: Notice.Locality, toTargets: Bool, toFirehose: Bool) throws {
        let frame = Self.whole.replacing("\"is_local\": 1", with: "\"is_local\": \(value)")
        let notice = try Notice(parsing: Array(frame.utf8))
        #expect(notice.locality == locality)
        #expect(notice.goesToRemoteTargets == toTargets && notice.goesToFirehose == toFirehose)
    }

    @Test(
        "A frame that can't be understood is named by its member",
        arguments: [
            ("[]", "the frame is a list, an object is expected"), ("{", "not JSON: at byte 1: the text ends too early"),
            ("{}", "member \"uri\": is missing"),
            (#"{"uri": 1}"#, "member \"uri\": expected a text, found the number 1"),
            (#"{"uri": ""}"#, "member \"uri\": is empty"), (#"{"uri": "u"}"#, "member \"content\": is missing"),
            (#"{"uri": "u", "content": "c"}"#, "member \"author\": is missing"),
            (#"{"uri": "u", "content": "c", "author": []}"#, "member \"author\": expected an object, found a list"),
            (#"{"uri": "u", "content": "c", "author": {}}"#, "member \"author.uri\": is missing"),
            (#"{"id": "x"}"#, "member \"id\": expected a whole number, found a text"),
            (
                #"{"uri": "u", "content": "c", "author": {"uri": "a"}, "is_local": 5}"#,
                "member \"is_local\": expected 1, 0, -1, -2, true or false, found the number 5"
            ),
            (
                #"{"uri": "u", "content": "c", "author": {"uri": "a"}, "tags": [1]}"#,
                "member \"tags\": expected a list of texts, found the number 1 in it"
            ),
            (
                #"{"uri": "u", "content": "c", "author": {"uri": "a"}, "repeat_of": {}}"#,
                "member \"repeat_of.uri\": is missing"
            ),
        ]
    )
    func refuses(frame: String, sentence: String) {
        #expect { try Notice(parsing: Array(frame.utf8)) } throws: { "\($0)" == sentence }
    }

    @Test("More than 1 MiB isn't a notice")
    func tooLong() {
        let frame = "{\"uri\": \"" + String(repeating: "u", count: 1 << 20) + "\"}"
        #expect { try Notice(parsing: Array(frame.utf8)) } throws: {
            "\($0)" == "the frame is 1048587 bytes long, at most 1048576 are allowed"
        }
    }

    @Test("A profile's frame is its author")
    func profile() throws {
        let author = try Author(
            parsingProfile: Array(
                #"{"author": {"uri": "u", "nickname": "n", "bio": "b", "location": "l", "homepage": "h"}}"#.utf8
            )
        )
        #expect(author.uri == "u" && author.bio == "b" && author.location == "l" && author.homepage == "h")
        #expect { try Author(parsingProfile: Array("{}".utf8)) } throws: { "\($0)" == "member \"author\": is missing" }
    }
}
