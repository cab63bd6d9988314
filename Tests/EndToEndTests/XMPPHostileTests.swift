// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

extension EndToEnd {
    /// Servers that misbehave, and sites with many contacts: beside others, in bounded memory.
    @Suite struct XMPPHostileTests {
        /// Behaviours of the fixture, and what `queuectl status` says of each.
        private static let behaviours: KeyValuePairs = [
            "silent": "says nothing", "cut": "closed the connection", "huge": "more than 262144 bytes",
            "laughs": "a DTD",
        ]

        /// The process that has the connections, as status has it.
        private static func worker(_ installation: Installation) async throws -> (pid: Int, memory: Int) {
            let processes = try await installation.json("status")["processes"].list
            let worker = try #require(processes.first { $0["group"].text == "xmpp" && $0["role"].text == "worker" })
            return (worker["pid"].int ?? 0, worker["rss_bytes"].int ?? .max)
        }

        @Test("Servers that say nothing, cut, flood or laugh: each is told, its items wait, the other site runs on")
        func hostileServers() async throws {
            let server = try await XMPPServer.start(.prosody, users: 1)
            let contacts = try await XMPPContacts(server, count: 1)
            let hostile = try PythonFixture.start("xmpp_hostile.py", Self.behaviours.map(\.key))
            _ = try await hostile.line(containing: "ready")
            let installation = try Installation(
                .init(workers: 1, queue: ["max_retries: 1"], plugins: ["xmppout": server.settings(.component)])
            )
            for (behaviour, port) in zip(Self.behaviours.map(\.key), hostile.output.all) {
                try installation.writeSite(
                    behaviour,
                    plugins: [
                        "xmppout": "{ enabled: true, mode: component, domain: queue.example.test, port: \(port), "
                            + "secret: s3cret }"
                    ]
                )
            }
            try await installation.start()
            let send = { (site: String, body: String) async throws in
                try await installation.enqueue("xmppout", XMPPServer.message(body), site: site)
            }
            try await send(Installation.site, "before")
            try await eventually("a message") { contacts.messages.map(\.body) == ["before"] }
            let before = try await Self.worker(installation)
            for (behaviour, _) in Self.behaviours { try await send(behaviour, "never") }
            for (behaviour, reason) in Self.behaviours {
                // A server that says nothing is given up after two turns of 15 s.
                try await eventually("'\(reason)' of \(behaviour)", within: .seconds(90), every: .milliseconds(200)) {
                    try await installation.json("status")["needs"].list.contains {
                        let text = $0.text ?? ""
                        return text.contains("Queue xmppout of site \(behaviour) is held") && text.contains(reason)
                    }
                }
            }
            try await send(Installation.site, "after")
            try await eventually("a message") { contacts.messages.map(\.body) == ["before", "after"] }
            let after = try await Self.worker(installation)
            print("hostile servers: worker \(before.memory >> 20) MiB before, \(after.memory >> 20) MiB after")
            #expect(after.pid == before.pid)
            #expect(after.memory < before.memory + 64 << 20)
            #expect(try await installation.json("dead", "list") == .list([]))
            #expect(try await installation.stop() == .status(0))
        }

        @Test("One notice to 20,000 contacts of a site through one component: all get it, once")
        func manyContacts() async throws {
            let count = 20_000
            let server = try await XMPPServer.start(.prosody, users: 0)
            let counter = try PythonFixture.start("xmpp_counter.py", ["\(server.componentPort)"])
            _ = try await counter.line(containing: "ready")
            let installation = try Installation(.init(workers: 1, plugins: ["xmppout": server.settings(.component)]))
            try await installation.start()
            let author = "http://demo.example/user/1"
            let rows = (0..<count).map {
                #"{"plugin": "xmppout", "author": "\#(author)", "target": "c\#($0)@count.example.test"}"#
            }
            let file = try installation.directory.write(rows.joined(separator: "\n") + "\n", to: "contacts.jsonl")
            try await installation.queuectl("recipients", "import", "-s", Installation.site, "xmppout", file)
            let begin = ContinuousClock.now
            try await installation.post(notice: 1)
            var most = 0
            try await eventually("all contacts", within: .seconds(120), every: .milliseconds(250)) {
                most = max(most, try await Self.worker(installation).memory)
                try counter.write("?\n")
                return counter.output.all.contains { $0.hasSuffix(" \(count)") }
            }
            let time = ContinuousClock.now - begin
            try await installation.delivered(count, ofNotice: 1)
            try counter.write("?\n")
            try await eventually("the last count") { counter.output.all.last == "\(count) \(count)" }
            print("\(count) contacts of one site: \(time), worker at most \(most >> 20) MiB")
            #expect(most < 256 << 20)
            #expect(try await installation.stop() == .status(0))
        }
    }
}
