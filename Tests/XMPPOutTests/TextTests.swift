// SPDX-License-Identifier: Apache-2.0

import PluginKit
import Testing

@testable import XMPPOut

@Suite struct TextTests {
    @Test("Text is escaped, and what XML forbids is left out")
    func escapes() {
        #expect(
            XMLText.escaped("a<b>&\"'\u{B}\u{0}\u{FFFE}\u{FFFF}\u{1B}z\u{1F600}\t\n") == """
                a&lt;b&gt;&amp;&quot;&apos;z\u{1F600}\t\n
                """
        )
        #expect(XMLText.escaped("a\r\nb") == "a&#13;\nb")
        #expect(XMLText.cleaned([0x61, 0x0B, 0xFF, 0x62]) == Array("a\u{FFFD}b".utf8))
    }

    @Test("Every character that goes out can be read back")
    func everyScalar() throws {
        var text = ""
        for value in UInt32(0)...0x2FFF { if let scalar = Unicode.Scalar(value) { text.unicodeScalars.append(scalar) } }
        let stanza = try StreamParser.stanza(Array("<m>\(XMLText.escaped(text))</m>".utf8))
        #expect(stanza.text.unicodeScalars.elementsEqual(text.unicodeScalars.filter { XMLText.isAllowed($0) }))
    }

    @Test(
        "HTML becomes XHTML that is well-formed and harmless",
        arguments: [
            ("a<br>b &nbsp;&eacute;&amp;", "a<br/>b \u{A0}\u{E9}&amp;"),
            ("<p>x<b>y</p>", "<p>x<strong>y</strong></p>"),
            (
                "<a href=\"http://e.example/?a=1&b=2\" onclick='x()'>l</a>",
                "<a href=\"http://e.example/?a=1&amp;b=2\">l</a>"
            ),
            ("<a href='javascript:x()'>l</a>", "<a>l</a>"),
            ("1<script>alert(1)</script>2<style>p{}</style>", "12"),
            ("<blink>x</blink>", "x"), ("1 < 2", "1 &lt; 2"),
        ]
    )
    func html(html: String, xhtml: String) {
        var body = Element("body", HTMLFragment.namespace)
        body.children = HTMLFragment.nodes(html)
        var bytes: [UInt8] = []
        body.write(to: &bytes, inherited: HTMLFragment.namespace)
        #expect(String(decoding: bytes, as: UTF8.self) == "<body>\(xhtml)</body>")
    }

    @Test("Deep HTML stays shallow, and broken HTML well-formed")
    func hostileHTML() throws {
        var random = SystemRandomNumberGenerator()
        let pieces = [
            "<p>", "</p>", "<a href='http://x.example'>", "</a>", "<b", ">", "&", "&#11;", "&lt", "\u{C}", "<!--", "x",
        ]
        for _ in 0..<200 {
            let html = (0..<60).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
            var body = Element("body", HTMLFragment.namespace)
            body.children = HTMLFragment.nodes(html)
            #expect(throws: Never.self, "\(html)") { try StreamParser.stanza(body.bytes) }
        }
        var deep = Element("body")
        deep.children = HTMLFragment.nodes(String(repeating: "<div>", count: 10_000) + "x")
        #expect(throws: Never.self) { try StreamParser.stanza(deep.bytes) }
    }

    @Test(
        "Addresses",
        arguments: [
            ("Alice@Example.ORG/Home", "alice@example.org/Home"), ("example.org", "example.org"),
            ("a@b/c@d/e", "a@b/c@d/e"), ("@b", nil), ("a@", nil), ("", nil), ("a b@c", nil), ("a@b c", nil),
            ("a<b@c", nil), ("a@b/", nil), ("a@b/\u{1}", nil), ("a@b@c", nil),
        ]
    )
    func addresses(text: String, address: String?) {
        #expect(JID(text)?.description == address)
    }

    @Test(
        "What StatusNet leaves out isn't taken from contacts either",
        arguments: [
            ("<message from='a@b/c' to='u@d' type='chat' id='1'><body>hi</body></message>", true),
            ("<message from='a@b'><body>hi</body></message>", true),
            ("<message from='a@b' type='groupchat'><body>hi</body></message>", false),
            ("<message from='a@b' type='error'><body>hi</body></message>", false),
            ("<message from='a@b' type='chat'><body> </body></message>", false),
            ("<message from='a@b' type='chat'/>", false),
            ("<message from='a@b'><body>[Auto Reply] away</body></message>", false),
            ("<message from='a@b'><body>x (auto-response)</body></message>", false),
            ("<message from='a@b'><body>my auto reply is off</body></message>", true),
            ("<message from='a@b'><body>?OTR:AAQ=</body></message>", false),
            (
                "<message from='a@b'><body>System: Message wasn't delivered. Offline storage size was exceeded.</body></message>",
                false
            ),
        ]
    )
    func incoming(stanza: String, isTaken: Bool) throws {
        let message = IncomingMessage(try StreamParser.stanza(Array(stanza.utf8)))
        #expect((message != nil) == isTaken)
        #expect(message?.frame(site: "s", time: UnixTime(milliseconds: 5))["from"]?.string?.hasPrefix("a@b") ?? true)
    }

    @Test("Base64 there and back, and nothing but Base64")
    func base64() {
        for count in 0..<20 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 200) }
            #expect(Base64.decode(Base64.encode(bytes)) == bytes)
        }
        #expect(Base64.encode("\0juliet\0r0m30myr0m30".utf8) == "AGp1bGlldAByMG0zMG15cjBtMzA=")
        for text in ["a", "ab=c", "a===", "!!!!", "ab==ab=="] { #expect(Base64.decode(text) == nil) }
    }
}
