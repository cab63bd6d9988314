// SPDX-License-Identifier: Apache-2.0
import NIOConcurrencyHelpers
import PluginKit
import PluginKitTesting
import TestSupport
import Testing

@testable import XMPPOut

/// A server at the other end of the plugin's streams: lets everybody in, and acknowledges when it is told to.
final class ScriptedServer: Sendable {
    private struct State {
        var stream: FakeStream?
        var inbox = ""
        var isMute = false
        var pings: [String] = []
        /// Stanzas that the server has handled, and those that it has yet to read.
        var stanzas = 0
        var unread = 0
        var owesAck = false
    }

    /// Not a `Mutex`: ThreadSanitizer takes it for none.
    private let state = NIOLockedValueBox(State())
    let host: FakeHost
    private let isClient: Bool
    /// What stands in place of the answer to the handshake or the login.
    private let refusal: String?

    init(_ host: FakeHost, isClient: Bool = false, refusal: String? = nil) {
        self.host = host
        self.isClient = isClient
        self.refusal = refusal
        host.streams.answer { [self] stream in
            state.withLockedValue { state in
                state.stream = stream
                state.inbox = ""
                state.pings = []
            }
            stream.react { [self] stream, bytes in
                let text = String(decoding: bytes, as: UTF8.self)
                if isClient { actAsServer(stream, text) } else { actAsComponentPort(stream, text) }
            }
            stream.accept()
        }
    }

    var stream: FakeStream? { state.withLockedValue { $0.stream } }
    /// All stanzas and elements that have come over the stream that is up.
    var inbox: String { state.withLockedValue { $0.inbox } }

    func send(_ text: String) { stream?.send(text, chunk: 7) }

    /// Sends no acknowledgement until it is off again.
    func mute(_ on: Bool) {
        let answers = state.withLockedValue { state -> [String] in
            state.isMute = on
            guard !on else { return [] }
            defer { (state.pings, state.unread, state.owesAck) = ([], 0, false) }
            // What a broken stream still had in it is lost.
            guard state.stream?.isOver == false else { return [] }
            state.stanzas += state.unread
            return state.pings + (state.owesAck ? [Self.ack(state.stanzas)] : [])
        }
        for answer in answers { stream?.send(answer) }
    }

    private static func ack(_ stanzas: Int) -> String { "<a xmlns='urn:xmpp:sm:3' h='\(stanzas)'/>" }

    /// Waits until something has come that contains `text`.
    func received(_ text: String) async throws {
        try await eventually("'\(text)' at the server") { inbox.contains(text) }
    }

    /// The attribute `id` of the last message that came.
    func lastID() throws -> String {
        try String(#require(inbox.matches(of: /<message [^>]*\bid="([^"]+)"/).last).1)
    }

    private func actAsComponentPort(_ stream: FakeStream, _ text: String) {
        if text.contains("<stream:stream") {
            stream.send(
                "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' id='i1' from='c.example' "
                    + "xmlns:stream='\(StreamError.streams)'>",
                chunk: 3
            )
        } else if text.contains("<handshake>") {
            stream.send(refusal ?? "<handshake/>")
        } else {
            take(stream, text)
        }
    }

    private func actAsServer(_ stream: FakeStream, _ text: String) {
        if text.contains("<stream:stream") {
            let isLoggedIn = inbox.contains("<auth ")
            let mechanisms = "<mechanisms xmlns='\(SASL.namespace)'><mechanism>PLAIN</mechanism></mechanisms>"
            let bind = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><sm xmlns='urn:xmpp:sm:3'/>"
            let tls = stream.isSecured ? "" : "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
            stream.send(
                "<stream:stream xmlns='jabber:client' xmlns:stream='\(StreamError.streams)' id='1' version='1.0'>"
                    + "<stream:features>\(tls)\(isLoggedIn ? bind : mechanisms)</stream:features>"
            )
        } else if text.contains("<starttls") {
            stream.send("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        } else if text.contains("<auth ") {
            state.withLockedValue { $0.inbox += text }
            stream.send(refusal ?? "<success xmlns='\(SASL.namespace)'/>")
        } else if text.contains("xmpp-bind") {
            stream.send(
                "<iq type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>bot@x.example/hostd</jid>"
                    + "</bind></iq>"
            )
        } else if text.contains("<enable ") {
            state.withLockedValue { ($0.stanzas, $0.unread) = (0, 0) }
            stream.send("<enabled xmlns='urn:xmpp:sm:3' id='s1' resume='true'/>")
        } else if text.contains("<resume ") {
            stream.send("<resumed xmlns='urn:xmpp:sm:3' h='\(state.withLockedValue { $0.stanzas })' previd='s1'/>")
        } else {
            take(stream, text)
        }
    }

    private func take(_ stream: FakeStream, _ text: String) {
        let answers = state.withLockedValue { state -> [String] in
            state.inbox += text
            state.unread += text.matches(of: /<(?:message|presence)[ >]/).count
            state.owesAck = state.owesAck || text.contains("<r xmlns")
            state.pings += text.matches(of: /<iq [^>]*id="(ack-[^"]+)"/).map { "<iq type='result' id='\($0.1)'/>" }
            // A mute server has read nothing, as far as the other side can know.
            guard !state.isMute else { return [] }
            state.stanzas += state.unread
            defer { (state.pings, state.unread, state.owesAck) = ([], 0, false) }
            return state.pings + (state.owesAck ? [Self.ack(state.stanzas)] : [])
        }
        for answer in answers { stream.send(answer) }
    }
}

/// A fake host with the plugin, a site in component mode, and its server.
enum XMPPFixture {
    static let author = "http://alice.example/user/7"
    static let component = [
        "mode": "component", "domain": "c.example", "user": "update", "resource": "hostd", "secret": "s3cret",
        "status": "post here",
    ]
    static let client = [
        "mode": "client", "domain": "x.example", "user": "bot", "resource": "hostd", "password": "pw",
        "tls": "required",
        "status": "post here",
    ]

    static func notice(_ queue: String, _ changes: (String, JSON)...) -> FakeItem {
        var members: [(String, JSON)] = [
            ("id", 42), ("uri", "http://alice.example/notice/42"), ("url", "http://alice.example/n/42"),
            ("content", "caf\u{E9} & <stars>\u{B}"), ("rendered", "caf&eacute; &amp; <b>stars</b><br>"),
            (
                "author",
                ["uri": .string(author), "nickname": "alice", "profile_url": "http://alice.example/alice?a=1&b=2"]
            ),
            ("is_local", 1), ("created", "2026-11-24T10:00:00Z"), ("tags", ["one"]),
        ]
        for change in changes { members = members.filter { $0.0 != change.0 } + [change] }
        return FakeItem(queue: queue, payload: JSON.object(members.map { JSON.Member($0.0, $0.1) }).bytes)
    }

    static func host(
        _ contacts: String...,
        config: [String: String] = component,
        refusal: String? = nil
    ) async throws -> ScriptedServer {
        let host = try await FakeHost(XMPPOutPlugin.self)
        host.recipients.add(contacts.map { Recipient(author: author, target: $0) })
        let server = ScriptedServer(host, isClient: config["mode"] == "client", refusal: refusal)
        try await host.open(config: config)
        return server
    }

    /// The same, up.
    static func connected(_ contacts: String..., config: [String: String] = component) async throws -> ScriptedServer {
        let server = try await host(config: config)
        server.host.recipients.add(contacts.map { Recipient(author: author, target: $0) })
        try await up(server)
        return server
    }

    static func up(_ server: ScriptedServer) async throws {
        try await eventually("a stream that is up") { server.host.metric("xmppout_connected") == 1 }
    }

    static func down(_ server: ScriptedServer) async throws {
        try await eventually("the end of the stream") { server.host.metric("xmppout_connected") == 0 }
    }
}
