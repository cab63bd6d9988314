// SPDX-License-Identifier: Apache-2.0

import PluginKit
import PluginKitTesting
import Testing

@testable import XMPPOut

@Suite struct XMPPExpandTests {
    @Test("One item per contact, and the stanza once for all")
    func contacts() async throws {
        let server = try await XMPPFixture.host("Bob@B.example", "carl@c.example/home", "not an address")
        let result = await server.host.expand(XMPPFixture.notice("jabber"))
        #expect(result.outcome == .done)
        #expect(result.staged.map(\.queue) == ["xmppout", "xmppout"])
        #expect(result.staged.map(\.text) == ["bob@b.example", "carl@c.example"])
        #expect(result.staged.map(\.target) == ["bob@b.example", "carl@c.example"])
        #expect(result.staged[0].dedupeKey == "bob@b.example http://alice.example/notice/42")
        #expect(Set(result.staged.map(\.shared)).count == 1)
        #expect(server.host.log.contains { $0.fields["recipient"] == "not an address" })
    }

    @Test("The firehose gets public notices only: the configured addresses and the site's own recipients")
    func firehose() async throws {
        let host = try await FakeHost(XMPPOutPlugin.self)
        _ = ScriptedServer(host)
        try await host.open(
            config: XMPPFixture.component.merging(
                ["public": "all@f.example\nmore@f.example", "site.root": "http://alice.example/"]
            ) { $1 }
        )
        host.recipients.add(Recipient(author: "http://alice.example/", target: "own@f.example"))
        host.recipients.add(Recipient(author: XMPPFixture.author, target: "bob@b.example"))
        let all = await host.expand(XMPPFixture.notice("public")).staged
        #expect(Set(all.map(\.text)) == ["own@f.example", "all@f.example", "more@f.example"])
        for (value, contacts, firehose) in [(1, 1, 3), (-1, 1, 0), (-2, 0, 0), (0, 0, 0)] {
            let isLocal = ("is_local", JSON.number("\(value)"))
            #expect(await host.expand(XMPPFixture.notice("jabber", isLocal)).staged.count == contacts)
            #expect(await host.expand(XMPPFixture.notice("public", isLocal)).staged.count == firehose)
        }
    }

    @Test("100,000 contacts go in pages of a thousand")
    func pages() async throws {
        let server = try await XMPPFixture.host()
        server.host.recipients.add(
            (0..<100_000).map { Recipient(author: XMPPFixture.author, target: "c\($0)@b.example") }
        )
        let first = await server.host.deliver(XMPPFixture.notice("jabber"))
        #expect(first.outcome.verdict == .continue && first.staged.count == 1000)
        var item = XMPPFixture.notice("jabber")
        item.cursor = first.outcome.cursor
        let second = await server.host.deliver(item)
        #expect(second.staged.count == 1000)
        #expect(Set(first.staged.map(\.text)).isDisjoint(with: second.staged.map(\.text)))
    }

    @Test("A notice as StatusNet writes it, with the entities right and nothing that XML forbids")
    func stanza() throws {
        let notice = try Notice(parsing: XMPPFixture.notice("jabber").payload)
        let text = String(decoding: StanzaText.notice(notice), as: UTF8.self)
        #expect(
            text.hasPrefix(
                """
                 type='chat'><body>alice: caf\u{E9} &amp; &lt;stars&gt; [42]</body>\
                <html xmlns="http://jabber.org/protocol/xhtml-im"><body xmlns="http://www.w3.org/1999/xhtml">\
                <a href="http://alice.example/alice?a=1&amp;b=2">alice</a>: caf\u{E9} &amp; <strong>stars</strong><br/> \
                <a href="http://alice.example/n/42">[42]</a></body></html> <entry xmlns="http://www.w3.org/2005/Atom"
                """
            )
        )
        let stanza = try StreamParser.stanza(Array("<message\(text)".utf8))
        let entry = try #require(stanza.child("entry", "http://www.w3.org/2005/Atom"))
        #expect(entry.child("id", "http://www.w3.org/2005/Atom")?.text == "http://alice.example/notice/42")
        #expect(entry.child("title", "http://www.w3.org/2005/Atom")?.text == "caf\u{E9} & <stars>")
        #expect(entry.child("category", "http://www.w3.org/2005/Atom")?["term"] == "one")
        #expect(text.matches(of: /xmlns:[a-z]+=/).count == 7)
    }

    @Test("A notice of 10,000 emoji is shortened until a server takes it", arguments: [10_000, 100_000])
    func emoji(count: Int) throws {
        let content = String(repeating: "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}", count: count / 3)
        let notice = try Notice(parsing: XMPPFixture.notice("jabber", ("content", .string(content))).payload)
        let bytes = StanzaText.notice(notice)
        #expect(bytes.count <= StanzaText.maxBytes + 64)
        let body = try #require(StreamParser.stanza(Array("<message".utf8) + bytes).child("body")).text
        #expect(body.hasPrefix("alice: \u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}"))
        guard count == 100_000 else { return }
        // Cut behind a whole family.
        #expect(body.hasSuffix("\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}\u{2026} http://alice.example/n/42") as Bool)
    }

    @Test("A confirmation code goes to one contact")
    func confirms() async throws {
        let server = try await XMPPFixture.host()
        let result = await server.host.deliver(
            FakeItem(queue: "xmppconfirm", #"{"to": "Bob@b.example/x", "body": "code & 1"}"#)
        )
        #expect(result.outcome == .done && result.staged.map(\.target) == ["bob@b.example"])
        let shared = try #require(result.staged.first).shared
        #expect(String(decoding: shared, as: UTF8.self) == " type='chat'><body>code &amp; 1</body></message>")
        for frame in ["{}", #"{"to": "x y", "body": "b"}"#, #"{"to": "a@b", "body": ""}"#, "no"] {
            let outcome = await server.host.deliver(FakeItem(queue: "xmppconfirm", frame)).outcome
            #expect(outcome.verdict == .discard && outcome.reason == .badData)
        }
    }
}
