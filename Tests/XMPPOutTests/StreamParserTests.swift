// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import XMPPOut

@Suite struct StreamParserTests {
    private static let header = """
        <?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='7'>
        """

    private static func read(
        _ text: String,
        chunk: Int = .max,
        limits: StreamParser.Limits = .init()
    ) throws
        -> [StreamParser.Event]
    {
        let parser = StreamParser(limits: limits)
        var events: [StreamParser.Event] = []
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            events += try parser.feed(Array(rest.prefix(chunk)))
            rest = rest.dropFirst(chunk)
        }
        return events
    }

    @Test("A stream may be cut into chunks at any byte", arguments: [1, 2, 3, 5, 7, 11, 64, 1000])
    func chunks(size: Int) throws {
        let text =
            Self.header + """
                <stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism>\
                </mechanisms></stream:features> \n<message from='a@b/c&apos;d' xml:lang='de'><body>Gr\u{FC}\u{DF}e &amp; \
                &lt;&#x1F600;&gt; <![CDATA[<x>]]></body></message><r xmlns='urn:xmpp:sm:3'/></stream:stream>
                """
        let events = try Self.read(text, chunk: size)
        #expect(events.count == 5)
        guard case .opened(let root) = events[0], case .element(let features) = events[1],
            case .element(let message) = events[2], case .element(let request) = events[3]
        else {
            Issue.record("\(events)")
            return
        }
        #expect(root.name == "stream" && root.namespace == StreamError.streams && root["id"] == "7")
        #expect(features.child("mechanisms", SASL.namespace)?.elements.map(\.text) == ["PLAIN"])
        #expect(message.namespace.isEmpty && message["from"] == "a@b/c'd" && message["xml:lang"] == "de")
        #expect(message.child("body")?.text == "Gr\u{FC}\u{DF}e & <\u{1F600}> <x>")
        #expect(request.namespace == "urn:xmpp:sm:3")
        #expect(events[4] == .closed)
    }

    @Test(
        "What XMPP forbids ends the stream, with a sentence",
        arguments: [
            ("<!DOCTYPE a [<!ENTITY a 'lol'><!ENTITY b '&a;&a;&a;'>]><a>&b;</a>", "DTD"),
            ("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "DTD"), ("<a><!-- c --></a>", "comment"),
            ("<a><?php x?></a>", "processing instruction"), ("<a><p:b/></a>", "prefix"),
            ("<a><b p:c='1'/></a>", "prefix"), ("<a>&lol;</a>", "not well-formed"), ("<a><b></a>", "not well-formed"),
            ("<a>\u{B}</a>", "not well-formed"), ("<a/><b/>", "not well-formed"),
        ]
    )
    func forbidden(document: String, sentence: String) {
        #expect {
            try Self.read(document)
        } throws: { error in
            "\(error)".contains(sentence)
        }
    }

    @Test("A stanza over the limit ends the stream before it is whole, in an attribute as in a text")
    func sizes() throws {
        let limits = StreamParser.Limits(stanza: 100_000)
        let long = String(repeating: "x", count: 10 << 20)
        for stanza in ["<m><b>\(long)</b></m>", "<m a='\(long)'/>", "<m>" + String(repeating: "<b/>", count: 1 << 20)] {
            #expect {
                try Self.read(Self.header + stanza, chunk: 4096, limits: limits)
            } throws: { error in
                "\(error)".contains("more than 100000 bytes")
            }
        }
        let small = String(repeating: "<m><b>\(String(repeating: "y", count: 60_000))</b></m>", count: 10)
        #expect(try Self.read(Self.header + small, chunk: 10_000, limits: limits).count == 11)
    }

    @Test("Elements nest up to the limit")
    func depth() throws {
        let limits = StreamParser.Limits(depth: 10)
        func nested(_ count: Int) -> String {
            String(repeating: "<a>", count: count) + String(repeating: "</a>", count: count)
        }
        #expect(try Self.read("<s>" + nested(9) + "</s>", limits: limits).count == 3)
        #expect(throws: XMLProblem.self) { try Self.read("<s>" + nested(10) + "</s>", limits: limits) }
    }

    @Test("Once broken it stays broken, and half a document says nothing")
    func broken() throws {
        let parser = StreamParser()
        #expect(try parser.feed(Array("<s><m>half".utf8)).count == 1)
        #expect(throws: XMLProblem.self) { try parser.feed(Array("</s>".utf8)) }
        #expect(throws: XMLProblem.self) { try parser.feed(Array("</m>".utf8)) }
    }

    @Test("A stanza is written as it was read")
    func roundTrip() throws {
        let text = """
            <message to="a@b" type="chat"><body>1 &lt; 2 &amp; &quot;3&quot;</body>\
            <html xmlns="http://jabber.org/protocol/xhtml-im"><body xmlns="http://www.w3.org/1999/xhtml"><br/></body></html>\
            </message>
            """
        let stanza = try StreamParser.stanza(Array(text.utf8))
        #expect(String(decoding: stanza.bytes, as: UTF8.self) == text)
        #expect(try StreamParser.stanza(stanza.bytes) == stanza)
    }

    @Test(
        "A producer's stanza is one element and nothing else",
        arguments: ["", "text", "<message/><message/>", "</stream><stream><message/>", "<message>"]
    )
    func notOneStanza(text: String) {
        #expect(throws: XMLProblem.self) { try StreamParser.stanza(Array(text.utf8)) }
    }
}
