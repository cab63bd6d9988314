// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport
import Testing

extension EndToEnd {
    /// What changes while messages flow: a site, the plugin, the server.
    @Suite struct XMPPChangeTests {
        private static let contacts = 5

        /// Numbered messages, one every millisecond or two, to all contacts in turn: 0, 1, ...
        private static func load(_ installation: Installation) -> SteadyLoad {
            let contact = { @Sendable (id: Int) in XMPPServer.address("u\((id - 1) % contacts)") }
            return SteadyLoad(
                port: installation.stompPort,
                queue: "xmppout",
                every: .milliseconds(1),
                target: contact
            ) { XMPPServer.message("\($0 - 1)", to: contact($0)) }
        }

        /// All arrive, in order for each contact.
        private static func figures(
            _ contacts: XMPPContacts,
            sent: Int,
            _ server: XMPPServer.Kind
        ) async throws -> XMPPFigures {
            try? await eventually("all messages", within: .seconds(90), every: .milliseconds(100)) {
                XMPPFigures(contacts.messages, sent: sent, server: server).lost == 0
            }
            return XMPPFigures(contacts.messages, sent: sent, server: server)
        }

        @Test("Another version of the plugin while messages flow: all arrive once, in order, from the same address")
        func otherVersion() async throws {
            let server = try await XMPPServer.start(.prosody, users: Self.contacts)
            let contacts = try await XMPPContacts(server, count: Self.contacts)
            let installation = try await server.installation(.client)
            let load = Self.load(installation)
            try await eventually("messages") { contacts.count > 200 }
            try installation.installVersion("0.1.1", of: "xmppout")
            try await eventually("the new version", within: .seconds(60), every: .milliseconds(100)) {
                let row = try await installation.json("plugins").list.first { $0["file"].text == "xmppout.so" }
                return row?["version"].text == "0.1.1" && row?["rollout"] == .null
            }
            let hostd = try #require(installation.hostd)
            try await eventually("the new one's connection", within: .seconds(60)) {
                hostd.errors.all.count { $0.contains("connected to the XMPP server") } == 2
            }
            let count = contacts.count
            try await eventually("messages by the new one") { contacts.count > count + 200 }
            let sent = try await load.stop()
            let figures = try await Self.figures(contacts, sent: sent, .prosody)
            print("xmppout replaced: sent=\(sent) \(figures)")
            #expect(figures.lost == 0 && figures.outOfOrder == 0 && figures.twice == 0)
            #expect(Set(contacts.messages.map(\.from)) == ["bot@example.test/hostd"])
            #expect(try await installation.json("dead", "list") == .list([]))
            #expect(try await installation.stop() == .status(0))
        }

        @Test(
            "prosody restarted under load, to keep what contacts get later: all of it, in order",
            arguments: XMPPServer.Mode.allCases
        )
        func serverRestarted(mode: XMPPServer.Mode) async throws {
            let server = try await XMPPServer.start(.prosody, users: Self.contacts)
            let installation = try await server.installation(mode)
            let hostd = try #require(installation.hostd)
            let load = Self.load(installation)
            try await eventually("messages") { load.count > 500 }
            try await server.stopAndStart()
            try await eventually("a new connection", within: .seconds(60)) {
                hostd.errors.all.count { $0.contains("connected to the XMPP server") } >= 2
            }
            let count = load.count
            try await eventually("messages after it") { load.count > count + 500 }
            let sent = try await load.stop()
            try await eventually("nothing that waits", within: .seconds(60), every: .milliseconds(100)) {
                try await installation.isEmpty("xmppout")
            }
            // Who is there while prosody ends may lose what it takes for a stream that it is closing; it keeps what it
            // takes for who isn't.
            let contacts = try await XMPPContacts(server, count: Self.contacts)
            let figures = try await Self.figures(contacts, sent: sent, .prosody)
            print("prosody restarted: mode=\(mode) sent=\(sent) \(figures)")
            #expect(figures.lost == 0 && figures.outOfOrder == 0)
            #expect(try await installation.json("dead", "list") == .list([]))
            #expect(try await installation.stop() == .status(0))
        }

        @Test("update:SITE on the control topic switches one site off and on; the other's stream isn't touched")
        func oneSite() async throws {
            let server = try await XMPPServer.start(.prosody, users: 3)
            let contacts = try await XMPPContacts(server, count: 1)
            let installation = try Installation(.init(workers: 1, plugins: ["xmppout": server.settings(.client)]))
            try installation.writeSite("other", plugins: ["xmppout": server.settings(.client, user: "u2")])
            try await installation.start()
            let hostd = try #require(installation.hostd)
            let connections = { (site: String) in
                hostd.errors.all.count { $0.contains("connected to the XMPP server") && $0.hasSuffix("site=\(site)") }
            }
            try await eventually("both connections") { connections("demo") == 1 && connections("other") == 1 }
            let client = try await StompTestClient.connect(port: installation.stompPort)
            try await client.connect()
            let update = { (change: String) async throws in
                try installation.writeSite(plugins: ["xmppout": change])
                try await client.send(
                    "SEND",
                    ["destination": "/topic/statusnet-control", "receipt": "r"],
                    body: "update:demo"
                )
                try await client.receipt("r")
            }
            let send = { (site: String, body: String) async throws in
                try await installation.enqueue("xmppout", XMPPServer.message(body), site: site)
                try await eventually("'\(body)'") { contacts.messages.contains { $0.body == body } }
            }
            try await send("demo", "one")
            try await send("other", "two")
            try await update("{ enabled: false }")
            try await eventually("demo without the plugin") {
                let rows = try await installation.json("sites").list
                return rows.first { $0["nickname"].text == "demo" }?["plugins"] == .list([])
            }
            try await send("other", "three")
            try await update(server.settings(.client))
            try await eventually("demo's new connection") { connections("demo") == 2 }
            try await send("demo", "four")
            try await send("other", "five")
            #expect(connections("other") == 1)
            #expect(!hostd.errors.all.contains { $0.contains("no connection to the XMPP server") })
            let froms = contacts.messages.map(\.from)
            let (demo, other) = ("bot@example.test/hostd", "u2@example.test/hostd")
            #expect(froms == [demo, other, other, demo, other])
            #expect(try await installation.stop() == .status(0))
        }
    }
}

extension Installation {
    /// The same plugin under another version of as many letters: its file says which it is.
    fileprivate func installVersion(_ version: String, of plugin: String) throws {
        let path = "\(pluginsFolder)/\(plugin).so"
        var bytes = try Data(contentsOf: URL(filePath: path))
        let id = Data("org.hostd.\(plugin)".utf8)
        let note = id + Data(count: 64 - id.count)
        guard let field = bytes.firstRange(of: note) else { throw TestSupportError.missing("the note of \(path)") }
        bytes.replaceSubrange(field.upperBound..<field.upperBound + version.utf8.count, with: Data(version.utf8))
        let new = directory.file("new.so")
        try bytes.write(to: URL(filePath: new))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: new)
        guard rename(new, path) == 0 else { throw TestSupportError.cannotCreate(path, reason: "rename failed") }
    }
}
