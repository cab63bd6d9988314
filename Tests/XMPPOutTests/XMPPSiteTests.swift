// SPDX-License-Identifier: Apache-2.0

import PluginKit
import PluginKitTesting
import TestSupport
import Testing

@testable import XMPPOut

@Suite struct XMPPSiteTests {
    @Test("What contacts send is one item each, in order")
    func incoming() async throws {
        let server = try await XMPPFixture.connected()
        for number in 0..<50 {
            server.send(
                "<message from='Bob@b.example/x' to='update@c.example' id='m\(number)'><body>\(number)</body></message>"
            )
        }
        server.send("<message from='bob@b.example'><body>[auto reply] away</body></message>")
        try await eventually("fifty items") { server.host.enqueued.count == 50 }
        let frames = try server.host.enqueued.map { try JSON(parsing: $0.payload) }
        #expect(frames.map { $0["body"]?.string } == (0..<50).map { "\($0)" })
        #expect(server.host.enqueued.allSatisfy { $0.queue == "xmppin" })
        let first = try #require(frames.first)
        #expect(first["site"]?.string == FakeHost.defaultSite && first["from"]?.string == "bob@b.example/x")
        #expect(
            first["to"]?.string == "update@c.example" && first["type"]?.string == "chat" && first["id"]?.string == "m0"
        )
        #expect(first["time"]?.int != nil)
    }

    @Test("Subscriptions are agreed to and asked back; pings are answered, other questions refused")
    func answers() async throws {
        let server = try await XMPPFixture.connected()
        server.send("<presence from='bob@b.example' to='update@c.example' type='subscribe'/>")
        try await server.received("<presence from=\"update@c.example\" to=\"bob@b.example\" type=\"subscribed\"/>")
        try await server.received("<presence from=\"update@c.example\" to=\"bob@b.example\" type=\"subscribe\"/>")
        try await server.received("<status>post here</status>")
        server.send("<iq type='get' id='q1' from='b.example' to='c.example'><ping xmlns='urn:xmpp:ping'/></iq>")
        try await server.received("<iq type=\"result\" id=\"q1\" to=\"b.example\" from=\"c.example\"/>")
        server.send("<iq type='get' id='q2' from='b.example' to='c.example'><query xmlns='jabber:iq:version'/></iq>")
        try await server.received("<iq type=\"error\" id=\"q2\"")
    }

    @Test("A client announces itself with its status line, and counts what it has handled")
    func client() async throws {
        let server = try await XMPPFixture.connected(config: XMPPFixture.client)
        try await server.received("<presence><status>post here</status><priority>100</priority></presence>")
        server.send("<message from='bob@b.example/x'><body>1</body></message><presence from='bob@b.example/x'/>")
        server.send("<r xmlns='urn:xmpp:sm:3'/>")
        try await server.received("<a xmlns=\"urn:xmpp:sm:3\" h=\"2\"/>")
        #expect(server.stream?.isSecured == true)
        #expect(server.stream?.request.srv == "_xmpp-client._tcp" && server.stream?.request.tlsName == "x.example")
    }

    @Test("A rival ends it: it reports, holds the queue, and connects no more until the settings change")
    func conflict() async throws {
        let server = try await XMPPFixture.connected()
        server.send(
            "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"
        )
        try await XMPPFixture.down(server)
        await server.host.clock.advance(by: .seconds(3600))
        #expect(server.host.streams.opened.count == 1)
        #expect(server.host.log.contains { $0.level == 3 && $0.fields["problem"]?.contains("conflict") == true })
        #expect((server.host.holds.last?.duration ?? .zero) > .seconds(3600))
        try await server.host.reconfigure(config: XMPPFixture.component.merging(["user": "other"]) { $1 })
        try await XMPPFixture.up(server)
        #expect(server.host.streams.opened.count == 2)
    }

    @Test("A wrong secret is an error for the operator, tried again now and then")
    func wrongSecret() async throws {
        let server = try await XMPPFixture.host(
            refusal: "<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
        )
        try await eventually("an error") { server.host.log.contains { $0.level == 3 } }
        await server.host.clock.advance(by: .seconds(290))
        #expect(server.host.streams.opened.count == 1)
        await server.host.clock.advance(by: .seconds(20))
        #expect(server.host.streams.opened.count == 2)
    }

    @Test("A server that lets us in and breaks off each time isn't asked each second; one that acknowledges is")
    func breaksOff() async throws {
        let server = try await XMPPFixture.connected()
        for pause in [1, 2, 4] {
            server.send("</stream:stream>")
            try await XMPPFixture.down(server)
            await server.host.clock.advance(by: .seconds(pause))
            try await XMPPFixture.up(server)
        }
        let count = server.host.streams.opened.count
        server.send("</stream:stream>")
        try await XMPPFixture.down(server)
        await server.host.clock.advance(by: .seconds(3))
        #expect(server.host.streams.opened.count == count)
        await server.host.clock.advance(by: .seconds(5))
        try await XMPPFixture.up(server)
        #expect(await server.host.deliver(XMPPDeliverTests.item()).outcome == .done)
        server.send("</stream:stream>")
        try await XMPPFixture.down(server)
        await server.host.clock.advance(by: .seconds(1))
        try await XMPPFixture.up(server)
    }

    @Test(
        "A stream that can't be read is left, and a new one made",
        arguments: ["<!DOCTYPE a>", "<message><body></message>", "<message>\u{1}</message>", "</stream:stream>"]
    )
    func brokenStream(text: String) async throws {
        let server = try await XMPPFixture.connected()
        server.send(text)
        try await XMPPFixture.down(server)
        await server.host.clock.advance(by: .seconds(2))
        try await XMPPFixture.up(server)
    }

    @Test("Other settings of the connection make a new one; others don't")
    func reconfigures() async throws {
        let server = try await XMPPFixture.connected()
        try await server.host.reconfigure(config: XMPPFixture.component.merging(["public": "a@b"]) { $1 })
        #expect(server.host.streams.opened.count == 1)
        try await server.host.reconfigure(config: XMPPFixture.component.merging(["secret": "new"]) { $1 })
        try await eventually("a second stream") { server.host.streams.opened.count == 2 }
        try await XMPPFixture.up(server)
    }

    @Test("A drain says goodbye once everything is acknowledged; only the queue's own worker connects")
    func drains() async throws {
        let server = try await XMPPFixture.connected()
        let stream = try #require(server.stream)
        #expect(await server.host.deliver(XMPPDeliverTests.item()).outcome == .done)
        await server.host.drain()
        #expect(stream.text.hasSuffix("</stream:stream>"))
        await server.host.close()
        let host = try await FakeHost(XMPPOutPlugin.self)
        try await host.open(config: XMPPFixture.component, queues: ["jabber", "public"])
        #expect(host.streams.opened.isEmpty)
    }

    @Test("Sites have a connection each, and one's end isn't the other's")
    func sites() async throws {
        let server = try await XMPPFixture.connected()
        try await server.host.open("bob", config: XMPPFixture.component.merging(["domain": "d.example"]) { $1 })
        try await eventually("two streams that are up") { server.host.metric("xmppout_connected", site: "bob") == 1 }
        await server.host.close("bob")
        #expect(server.host.metric("xmppout_connected") == 1)
    }

    @Test(
        "Settings that can't work are refused with a sentence",
        arguments: [
            (["mode": "carrier-pigeon"], "mode"), (["domain": "a b"], "domain"), (["secret": ""], "secret"),
            (["mode": "client"], "password"), (["port": "0"], "port"), (["tls": "maybe"], "tls"),
            (["tls": "required"], "tls"), (["host": "xmpp.example"], "host"), (["public": "no address"], "public"),
            (["user": "a@b"], "user"),
        ]
    )
    func refusedSettings(change: [String: String], key: String) async throws {
        let host = try await FakeHost(XMPPOutPlugin.self)
        await #expect {
            try await host.open(config: XMPPFixture.component.merging(change) { $1 })
        } throws: { error in
            "\(error)".contains(key)
        }
    }
}
