// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

extension EndToEnd {
    /// The plugin xmppout against prosody and ejabberd, with slixmpp's contacts at the other end.
    @Suite struct XMPPTests {
        private static let author = "http://demo.example/user/1"
        /// Messages that a killed server is in the middle of.
        private static let messages = 10_000
        private static let contacts = 10

        @Test(
            "A notice reaches its contacts, and what they answer comes out on xmppin",
            arguments: XMPPServer.Kind.allCases,
            XMPPServer.Mode.allCases
        )
        func thereAndBack(kind: XMPPServer.Kind, mode: XMPPServer.Mode) async throws {
            let server = try await XMPPServer.start(kind, users: 2)
            let contacts = try await XMPPContacts(server, count: 2)
            let installation = try await server.installation(mode)
            let rows = ["u0", "u1"].map {
                #"{"plugin": "xmppout", "author": "\#(Self.author)", "target": "\#($0)@example.test"}"#
            }
            let file = try installation.directory.write(rows.joined(separator: "\n") + "\n", to: "contacts.jsonl")
            try await installation.queuectl("recipients", "import", "-s", Installation.site, "xmppout", file)
            try await installation.post(notice: 1)
            try await installation.delivered(2, ofNotice: 1)
            try await eventually("two messages") { contacts.messages.count == 2 }
            let messages = contacts.messages.sorted { $0.contact < $1.contact }
            #expect(messages.map(\.contact) == ["u0", "u1"])
            #expect(messages.allSatisfy { $0.body == "alice: Gr\u{FC}\u{DF}e, #1! [1]" })

            let client = try await StompTestClient.connect(port: installation.stompPort)
            try await client.connect()
            try await client.send(
                "SUBSCRIBE",
                ["id": "1", "destination": "/queue/statusnet/xmppin", "ack": "auto"]
            )
            let address = try #require(messages.first).from
            try contacts.send("a notice <from> u0", from: "u0", to: address)
            let frame = try await client.frames.first(within: .seconds(30), "an item") { $0.command == "MESSAGE" }
            let item = try JSON.parse(frame.text)
            #expect(item["from"].text == "u0@example.test/home" && item["body"].text == "a notice <from> u0")
            #expect(item["site"].text == Installation.site && frame["site"] == Installation.site)
            #expect(try await installation.stop() == .status(0))
        }

        @Test(
            "A server that ends in the middle of 10,000 messages: each arrives at least once, in order for each contact",
            arguments: XMPPServer.Kind.allCases,
            XMPPServer.Mode.allCases
        )
        func serverKilled(kind: XMPPServer.Kind, mode: XMPPServer.Mode) async throws {
            let server = try await XMPPServer.start(kind, users: Self.contacts)
            let contacts = try await XMPPContacts(server, count: Self.contacts)
            let installation = try await server.installation(mode)
            let client = try await StompTestClient.connect(port: installation.stompPort)
            try await client.connect()
            for number in 0..<Self.messages {
                let contact = XMPPServer.address("u\(number % Self.contacts)")
                try await client.send(
                    "SEND",
                    [
                        "destination": "/queue/statusnet/main", "site": Installation.site, "queue": "xmppout",
                        "target": contact, "receipt": "\(number)",
                    ],
                    body: XMPPServer.message("\(number)", to: contact)
                )
            }
            _ = try await client.receipt("\(Self.messages - 1)", within: .seconds(60))
            try await eventually("the middle", within: .seconds(120)) { contacts.count > Self.messages / 3 }
            let before = XMPPFigures.last(contacts.messages)
            try await server.killAndStart()
            let after = XMPPFigures.last(contacts.messages)
            let figures = try await Self.settled(contacts, installation, server: kind)
            print("server=\(kind) mode=\(mode) sent=\(Self.messages) \(figures)")
            // prosody acknowledges behind what it has written to the contact. ejabberd does when another process of its
            // own has the message: what is between the two at the kill is gone with it, at most one for each contact.
            let mayBeLost = figures.missing.filter { number in
                let contact = "u\(number % Self.contacts)"
                return kind == .ejabberd && number > before[contact] ?? -1
                    && number <= (after[contact] ?? -1) + Self.contacts
            }
            #expect(figures.missing == mayBeLost)
            #expect(Set(figures.missing.map { $0 % Self.contacts }).count == figures.lost)
            #expect(figures.outOfOrder == 0)
            #expect(try await installation.json("dead", "list") == .list([]))
            #expect(try await installation.stop() == .status(0))
        }

        /// All have arrived, or hostd has nothing left to send.
        private static func settled(
            _ contacts: XMPPContacts,
            _ installation: Installation,
            server: XMPPServer.Kind
        ) async throws -> XMPPFigures {
            try await eventually("the last message", within: .seconds(240), every: .milliseconds(250)) {
                if XMPPFigures(contacts.messages, sent: messages, server: server).lost == 0 { return true }
                return try await installation.isEmpty("xmppout")
            }
            // What the server has kept for a contact that was away comes now, if ever.
            try? await eventually("stragglers", within: .seconds(10)) {
                XMPPFigures(contacts.messages, sent: messages, server: server).lost == 0
            }
            return XMPPFigures(contacts.messages, sent: messages, server: server)
        }
    }
}
