// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

extension EndToEnd {
    /// What an operator has to mend, told by hostd, and mended: certificates, passwords, rivals.
    @Suite struct XMPPBadDaysTests {
        private static func installation(_ xmppout: String) async throws -> Installation {
            // One attempt would be the last one: what is held spends none.
            try await XMPPServer.installation(xmppout, queue: ["max_retries: 1"])
        }

        /// `queuectl status` says it, the item waits, and nothing is dead.
        private static func isHeld(_ installation: Installation, because reason: String) async throws {
            var needs: [String] = []
            do {
                try await eventually("'\(reason)' in what needs a person", within: .seconds(60)) {
                    needs = try await installation.json("status")["needs"].list.compactMap(\.text)
                    return needs.contains { $0.contains("Queue xmppout of site demo is held") && $0.contains(reason) }
                }
            } catch { throw TestSupportError.missing("'\(reason)' in \(needs)") }
            let rows = try await installation.json("status")["queues"].list.filter { $0["queue"].text == "xmppout" }
            let waiting = rows.reduce(0) { $0 + ($1["ready"].int ?? 0) + ($1["delayed"].int ?? 0) }
            #expect(waiting == 1)
            #expect(try await installation.json("dead", "list") == .list([]))
        }

        private static func log(_ installation: Installation, _ words: String...) -> Int {
            installation.hostd?.errors.all.count { line in words.allSatisfy { line.contains($0) } } ?? 0
        }

        @Test("A certificate by the site's own CA file is accepted")
        func ownAuthority() async throws {
            let certificates = try await CertificateFiles(for: "example.test")
            let server = try await XMPPServer.start(.prosody, users: 1, certificate: certificates[.good])
            let contacts = try await XMPPContacts(server, count: 1)
            let installation = try await Self.installation(
                server.settings(.client, more: "tls: required, ca_file: \"\(certificates.authority)\"")
            )
            try await installation.enqueue("xmppout", XMPPServer.message("through TLS"))
            try await eventually("the message") { contacts.messages.map(\.body) == ["through TLS"] }
            #expect(try await installation.stop() == .status(0))
        }

        @Test(
            "A certificate that is wrong: said, nothing is sent, nothing is lost; a right one is found by itself",
            arguments: [CertificateFiles.Kind.otherName, .expired, .selfSigned]
        )
        func wrongCertificate(kind: CertificateFiles.Kind) async throws {
            let certificates = try await CertificateFiles(for: "example.test")
            let server = try await XMPPServer.start(.prosody, users: 1, certificate: certificates[kind])
            let contacts = try await XMPPContacts(server, count: 1)
            let installation = try await Self.installation(
                server.settings(.client, more: "tls: required, ca_file: \"\(certificates.authority)\"")
            )
            try await installation.enqueue("xmppout", XMPPServer.message("private"))
            try await Self.isHeld(installation, because: "certificate is")
            #expect(Self.log(installation, "connected to the XMPP server") == 0)
            #expect(contacts.messages.isEmpty)
            try await server.stopAndStart(certificate: certificates[.good])
            try await eventually("the message", within: .seconds(90)) { contacts.messages.map(\.body) == ["private"] }
            try await eventually("nothing that needs a person") {
                try await installation.json("status")["needs"] == .list([])
            }
            #expect(try await installation.stop() == .status(0))
        }

        @Test(
            "A wrong secret or password: said once, not tried again and again; the right one delivers what was held",
            arguments: XMPPServer.Kind.allCases,
            XMPPServer.Mode.allCases
        )
        func wrongSecret(kind: XMPPServer.Kind, mode: XMPPServer.Mode) async throws {
            let server = try await XMPPServer.start(kind, users: 1)
            let contacts = try await XMPPContacts(server, count: 1)
            let installation = try await Self.installation(server.settings(mode, secret: "wrong"))
            try await installation.enqueue("xmppout", XMPPServer.message("held"))
            try await Self.isHeld(installation, because: "not-authorized")
            #expect(Self.log(installation, "refuses this site's settings", "in 300 s") == 1)
            try installation.writeSite(plugins: ["xmppout": server.settings(mode)])
            try await installation.queuectl("update", "-s", Installation.site)
            try await eventually("the message") { contacts.messages.map(\.body) == ["held"] }
            #expect(Self.log(installation, "refuses this site's settings") == 1)
            #expect(contacts.messages.count == 1)
            #expect(try await installation.stop() == .status(0))
        }

        @Test("A rival that takes our address isn't fought: it is said, and another address goes on")
        func conflict() async throws {
            let server = try await XMPPServer.start(.prosody, users: 2)
            let installation = try await Self.installation(server.settings(.client, user: "u0", more: "resource: home"))
            let hostd = try #require(installation.hostd)
            _ = try await hostd.line(containing: "connected to the XMPP server", of: hostd.errors)
            // u0/home comes, and u1, for whom the message is.
            let contacts = try await XMPPContacts(server, count: 2)
            _ = try await hostd.line(containing: "another connection has this site's address", of: hostd.errors)
            try await installation.enqueue("xmppout", XMPPServer.message("after all", to: XMPPServer.address("u1")))
            try await Self.isHeld(installation, because: "conflict")
            try contacts.send("still there", from: "u0", to: "u1@example.test")
            try await eventually("the rival, which wasn't thrown out") {
                contacts.messages.map(\.body) == ["still there"]
            }
            #expect(Self.log(installation, "connected to the XMPP server") == 1)
            try installation.writeSite(plugins: ["xmppout": server.settings(.client)])
            try await installation.queuectl("update", "-s", Installation.site)
            try await eventually("the message") { contacts.messages.map(\.body) == ["still there", "after all"] }
            #expect(try await installation.stop() == .status(0))
        }
    }
}
