// SPDX-License-Identifier: Apache-2.0

import PluginKit
import PluginKitTesting
import TestSupport
import Testing

@testable import XMPPOut

@Suite struct XMPPDeliverTests {
    static func item(_ contact: String = "bob@b.example", _ body: String = "hi") -> FakeItem {
        FakeItem(queue: "xmppout", payload: Array(contact.utf8), shared: StanzaText.plain(body))
    }

    @Test("An item is done when the server has the stanza, and no earlier", arguments: ["component", "client"])
    func acknowledged(mode: String) async throws {
        let config = mode == "client" ? XMPPFixture.client : XMPPFixture.component
        let server = try await XMPPFixture.connected(config: config)
        server.mute(true)
        let isDone = EventLog<Outcome>()
        async let delivery = server.host.deliver(Self.item())
        try await server.received("<body>hi</body>")
        await server.stream?.settle()
        #expect(isDone.all.isEmpty)
        server.mute(false)
        #expect(await server.host.deliver(Self.item("carl@b.example", "next")).outcome == .done)
        isDone.append(await delivery.outcome)
        #expect(isDone.all == [.done])
        let from = mode == "client" ? "bot@x.example/hostd" : "update@c.example/hostd"
        #expect(server.inbox.contains("<message from=\"\(from)\" to=\"bob@b.example\" id=\"n"))
    }

    @Test("Many stanzas go out in order and in few writes")
    func many() async throws {
        let server = try await XMPPFixture.connected()
        await withTaskGroup { group in
            for number in 0..<500 {
                group.addTask {
                    let outcome = await server.host.deliver(Self.item("c\(number)@b.example")).outcome
                    #expect(outcome == .done)
                }
            }
        }
        #expect(server.inbox.matches(of: /<message\b/).count == 500)
        #expect(server.inbox.matches(of: /<iq\b/).count < 500)
    }

    @Test("Not connected: deferred, at no attempt's cost, and the queue is held until it is up")
    func offline() async throws {
        let host = try await FakeHost(XMPPOutPlugin.self)
        host.streams.refuse(.io)
        try await host.open(config: XMPPFixture.component)
        try await eventually("a failure") { host.log.contains { $0.fields["again"] != nil } }
        let outcome = await host.deliver(Self.item()).outcome
        #expect(outcome.verdict == .defer && outcome.text.hasPrefix("not connected") && !outcome.maybeDelivered)
        #expect(host.holds.last?.queue == "xmppout" && host.holds.last?.lane == "")
        #expect((host.holds.last?.duration ?? .zero) > .seconds(30))
        let server = ScriptedServer(host)
        await host.clock.advance(by: .seconds(2))
        try await XMPPFixture.up(server)
        #expect(host.holds.last?.duration == .zero)
        #expect(await host.deliver(Self.item()).outcome == .done)
    }

    @Test("A stream that breaks: what isn't acknowledged is deferred, maybe delivered")
    func breaks() async throws {
        let server = try await XMPPFixture.connected()
        server.mute(true)
        async let delivery = server.host.deliver(Self.item())
        try await server.received("<body>hi</body>")
        server.stream?.close(.io)
        let outcome = await delivery.outcome
        #expect(outcome.verdict == .defer && outcome.maybeDelivered)
        server.mute(false)
        await server.host.clock.advance(by: .seconds(2))
        try await XMPPFixture.up(server)
        #expect(await server.host.deliver(Self.item()).outcome == .done)
    }

    @Test("A client's broken stream is resumed: what the server lacks goes again, and nobody is asked to retry")
    func resumes() async throws {
        let server = try await XMPPFixture.connected(config: XMPPFixture.client)
        #expect(await server.host.deliver(Self.item("a@b.example", "first")).outcome == .done)
        server.mute(true)
        async let delivery = server.host.deliver(Self.item("a@b.example", "second"))
        try await server.received("second")
        server.stream?.close(.io)
        try await XMPPFixture.down(server)
        server.mute(false)
        await server.host.clock.advance(by: .seconds(2))
        #expect(await delivery.outcome == .done)
        #expect(server.host.streams.opened.count == 2)
        #expect(server.inbox.matches(of: /second/).count == 1 && !server.inbox.contains("first"))
    }

    @Test("A server that answers no ping is left")
    func silentServer() async throws {
        let server = try await XMPPFixture.connected()
        server.mute(true)
        async let delivery = server.host.deliver(Self.item())
        try await server.received("<body>hi</body>")
        await server.host.clock.advance(by: .seconds(60))
        let outcome = await delivery.outcome
        #expect(outcome.verdict == .defer && outcome.maybeDelivered)
        #expect(server.host.log.contains { $0.fields["problem"] == "the server answers no ping" })
    }

    @Test("Near its deadline an item whose stanza is on its way waits a moment for the acknowledgement, no longer")
    func deadline() async throws {
        let server = try await XMPPFixture.connected()
        server.mute(true)
        let tokens = EventLog<UInt64>()
        async let delivery = server.host.deliver(Self.item()) { tokens.append($0) }
        try await server.received("<body>hi</body>")
        await server.host.cancel(try await tokens.first { _ in true })
        await server.host.clock.advance(by: .seconds(10))
        let outcome = await delivery.outcome
        #expect(outcome.verdict == .defer && outcome.maybeDelivered)
    }

    @Test(
        "A stanza that comes back: cancel is a dead letter, wait a retry, auth held until the contact agrees",
        arguments: [
            ("cancel", "item-not-found", Outcome.Verdict.discard, Reason.gone),
            ("cancel", "not-allowed", .discard, .rejected), ("modify", "bad-request", .discard, .rejected),
            ("wait", "resource-constraint", .retry, .remote), ("auth", "subscription-required", .defer, .auth),
        ]
    )
    func bounces(type: String, condition: String, verdict: Outcome.Verdict, reason: Reason) async throws {
        let server = try await XMPPFixture.connected()
        server.mute(true)
        async let delivery = server.host.deliver(Self.item())
        try await server.received("<body>hi</body>")
        server.send(Self.error(try server.lastID(), type, condition))
        let outcome = await delivery.outcome
        #expect(outcome.verdict == verdict && outcome.reason == reason && outcome.text.contains(condition))
        #expect(outcome.isKept == (verdict == .discard))
        guard type == "auth" else { return }
        #expect(outcome.hold == StanzaError.authorizationRest)
        server.send("<presence from='Bob@b.example/x' to='update@c.example' type='subscribed'/>")
        try await eventually("the end of the hold") {
            server.host.holds.last.map { $0.lane == "bob@b.example" && $0.duration == .zero } ?? false
        }
    }

    @Test("One that comes back after it was acknowledged ends as an item of its own: a dead letter, or another try")
    func lateBounces() async throws {
        let server = try await XMPPFixture.connected()
        for (type, verdict) in [("cancel", Outcome.Verdict.discard), ("wait", .done)] {
            #expect(await server.host.deliver(Self.item()).outcome == .done)
            let count = server.host.enqueued.count
            server.send(Self.error(try server.lastID(), type, "remote-server-timeout"))
            try await eventually("an item") { server.host.enqueued.count == count + 1 }
            let item = try #require(server.host.enqueued.last)
            #expect(item.queue == "xmppout" && item.target == "bob@b.example")
            #expect(await server.host.deliver(item).outcome.verdict == verdict)
        }
    }

    @Test("A frame that begins with < is a whole stanza, under our name, without what XML forbids")
    func wholeStanza() async throws {
        let server = try await XMPPFixture.connected()
        let frame = """
            <message from="update@old.example/daemon" to="bob@b.example" type='chat'><body>a\u{B}b</body>\
            <html xmlns="http://jabber.org/protocol/xhtml-im"><body xmlns="http://www.w3.org/1999/xhtml">a</body></html>\
            </message>
            """
        #expect(await server.host.deliver(FakeItem(queue: "xmppout", frame)).outcome == .done)
        #expect(
            server.inbox.contains("<message from=\"update@c.example/hostd\" to=\"bob@b.example\" type=\"chat\" id=\"n")
        )
        #expect(server.inbox.contains("<body>ab</body>"))
        for bad in [
            "<message to='a@b'>", "<evil to='a@b'/>", "<message/><message/>", "<message><body/></message>", "x y",
        ] {
            let outcome = await server.host.deliver(FakeItem(queue: "xmppout", bad)).outcome
            #expect(outcome.verdict == .discard && outcome.reason == .badData, "\(bad)")
        }
        #expect(await server.host.deliver(Self.item()).outcome == .done)
    }

    private static func error(_ id: String, _ type: String, _ condition: String) -> String {
        """
        <message type='error' id='\(id)' from='bob@b.example' to='update@c.example'><error type='\(type)'>\
        <\(condition) xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>
        """
    }
}
