// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import XMPPOut

@Suite struct NegotiationTests {
    private static let tls = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
    private static let plain = """
        <mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms>
        """
    private static let afterLogin = """
        <bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><sm xmlns='urn:xmpp:sm:3'/>\
        <session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session>
        """
    private static let bound = """
        <iq type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>bot@x.example/hostd</jid></bind></iq>
        """

    private static func client(
        requiresTLS: Bool = true,
        resumption: ClientNegotiation.Resumption? = nil
    ) throws -> ClientNegotiation {
        ClientNegotiation(
            address: try #require(JID("bot@x.example/hostd")),
            password: "pw",
            nonce: "n",
            requiresTLS: requiresTLS,
            usesTLS: requiresTLS,
            isSecured: false,
            resumption: resumption
        )
    }

    private static func features(_ content: String) throws -> Element {
        let stanza = "<s:features xmlns:s='\(StreamError.streams)'>\(content)</s:features>"
        return try StreamParser.stanza(Array(stanza.utf8))
    }

    private static func element(_ text: String) throws -> Element { try StreamParser.stanza(Array(text.utf8)) }

    private static func text(_ steps: [NegotiationStep]) -> String {
        steps.map { step in
            switch step {
            case .send(let bytes): String(decoding: bytes, as: UTF8.self)
            case .startTLS: "[TLS]"
            case .restart: "[restart]"
            case .ready(let session): "[ready \(session.address) \(session.acks)]"
            case .resumed(let h): "[resumed \(h)]"
            }
        }.joined()
    }

    /// TLS and login.
    private static func logIn(_ client: inout ClientNegotiation) throws {
        #expect(text(try client.received(features(tls + plain))).hasPrefix("<starttls"))
        let proceed = try element("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        #expect(try client.received(proceed) == [.startTLS])
        #expect(client.secured() == [.restart])
        #expect(text(try client.received(features(plain))).contains("mechanism=\"PLAIN\""))
        let success = try element("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
        #expect(try client.received(success) == [.restart])
    }

    @Test("A client: TLS, login, bind, stream management")
    func wholeWay() throws {
        var client = try Self.client()
        try Self.logIn(&client)
        let bind = Self.text(try client.received(Self.features(Self.afterLogin)))
        #expect(bind.contains("<resource>hostd</resource>"))
        let enable = Self.text(try client.received(Self.element(Self.bound)))
        #expect(enable == "<enable xmlns=\"urn:xmpp:sm:3\" resume=\"true\"/>")
        let enabled = try Self.element("<enabled xmlns='urn:xmpp:sm:3' id='s1' resume='true'/>")
        let session = Session(address: try #require(JID("bot@x.example/hostd")), acks: .management(id: "s1"))
        #expect(try client.received(enabled) == [.ready(session)])
    }

    @Test("Without stream management a ping to the server acknowledges; a server of old gets its session")
    func plainServer() throws {
        var client = try Self.client()
        try Self.logIn(&client)
        let features = """
            <bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>
            """
        _ = try client.received(Self.features(features))
        #expect(Self.text(try client.received(Self.element(Self.bound))).contains("xmpp-session"))
        let ready = try client.received(Self.element("<iq type='result' id='session'/>"))
        #expect(
            ready == [.ready(Session(address: try #require(JID("bot@x.example/hostd")), acks: .ping(to: "x.example")))]
        )
    }

    @Test("A broken stream is resumed, or else bound anew")
    func resumption() throws {
        let address = try #require(JID("bot@x.example/hostd"))
        let resumption = ClientNegotiation.Resumption(id: "s1", handled: 9, address: address)
        var client = try Self.client(resumption: resumption)
        try Self.logIn(&client)
        let resume = Self.text(try client.received(Self.features(Self.afterLogin)))
        #expect(resume == "<resume xmlns=\"urn:xmpp:sm:3\" h=\"9\" previd=\"s1\"/>")
        var second = client
        #expect(
            try client.received(Self.element("<resumed xmlns='urn:xmpp:sm:3' h='12' previd='s1'/>")) == [.resumed(12)]
        )
        let failed = try Self.element("<failed xmlns='urn:xmpp:sm:3'/>")
        #expect(Self.text(try second.received(failed)).contains("xmpp-bind"))
    }

    @Test("No TLS where it is required, no login, a resource in use: refused, with a reason")
    func refusals() throws {
        func kind(_ body: () throws -> Void) -> ConnectionFailure.Kind? {
            do { try body() } catch { return (error as? ConnectionFailure)?.kind }
            return nil
        }
        #expect(
            kind {
                var client = try Self.client(); _ = try client.received(Self.features(Self.plain))
            } == .refused
        )
        #expect(
            kind {
                var client = try Self.client()
                _ = try client.received(Self.features(Self.tls))
                _ = try client.received(Self.element("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"))
            } == .refused
        )
        #expect(
            kind {
                var client = try Self.client()
                try Self.logIn(&client)
                _ = try client.received(Self.features(Self.afterLogin))
                let stanzas = "urn:ietf:params:xml:ns:xmpp-stanzas"
                let answer =
                    "<iq type='error' id='bind'><error type='cancel'><conflict xmlns='\(stanzas)'/></error></iq>"
                _ = try client.received(Self.element(answer))
            } == .conflict
        )
    }

    @Test(
        "Stream errors",
        arguments: [("conflict", "conflict"), ("not-authorized", "refused"), ("system-shutdown", "temporary")]
    )
    func streamErrors(condition: String, kind: String) throws {
        let text = """
            <s:error xmlns:s='\(StreamError.streams)'><\(condition) xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
            <text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>why</text></s:error>
            """
        let failure = try #require(StreamError.failure(Self.element(text)))
        #expect("\(failure.kind)" == kind)
        #expect(failure.description == "the server ended the stream with \(condition): why")
    }

    @Test("A component: the server's id is answered with the proof, and the echo of a ping acknowledges")
    func component() throws {
        var component = ComponentNegotiation(address: try #require(JID("update@c.example/hostd")), secret: "test")
        #expect(String(decoding: component.header, as: UTF8.self).contains("to='c.example'"))
        let opened = try component.opened(Element("stream", StreamError.streams, ["id": "3BF96D32"]))
        #expect(Self.text(opened) == "<handshake>aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e</handshake>")
        let ready = try component.received(Element("handshake"))
        #expect(Self.text(ready) == "[ready update@c.example/hostd ping(to: \"c.example\")]")
        var other = ComponentNegotiation(address: try #require(JID("update@c.example/hostd")), secret: "test")
        #expect(throws: ConnectionFailure.self) { _ = try other.opened(Element("stream")) }
    }
}
