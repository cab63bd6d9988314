// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport
import Testing

extension EndToEnd {
    /// docs/examples/lines, the plugin of docs/plugins.md that keeps a connection, against a small server.
    @Suite(.timeLimit(.minutes(3))) struct LinesExampleTests {
        /// What the server has seen since it started.
        private struct Server {
            let port: Int
            let process: ProcessRunner

            init(port: Int? = nil) async throws {
                process = try PythonFixture.start("line_server.py", port.map { ["\($0)"] } ?? [])
                let line = try await process.line(containing: "listening on ")
                self.port = try #require(line.split(separator: " ").last.flatMap { Int($0) })
            }

            var lines: [String] { Array(process.output.all.dropFirst()) }
            /// Without their numbers.
            var texts: [String] {
                lines.compactMap { line in
                    let words = line.split(separator: " ", maxSplits: 2)
                    return words.count == 3 && words[0] == "PUT" ? String(words[2]) : nil
                }
            }
        }

        private static func text(_ notice: Int) -> String { "Gr\u{FC}\u{DF}e, #\(notice)!" }

        private static func installation(_ server: Server) async throws -> Installation {
            let section = "{ enabled: true, server: 127.0.0.1, port: \(server.port) }"
            let installation = try Installation(.init(workers: 2, plugins: ["lines": section]))
            try await installation.start()
            return installation
        }

        /// The item of stage 2 that a notice has become.
        private static func item(_ notice: Int, _ installation: Installation) async throws -> JSON {
            let output = try await installation.queuectl("notice", "\(notice)", "--json", "--all")
            return try JSON.parse(output)["items"].list.first { $0["queue"].text == "linesout" } ?? .null
        }

        @Test("Every notice is a line over one connection, done when the server has it; goodbye is said at the end")
        func lines() async throws {
            let server = try await Server()
            let installation = try await Self.installation(server)
            for notice in 1...20 { try await installation.post(notice: notice) }
            for notice in 1...20 { try await installation.delivered(1, ofNotice: notice) }
            #expect(server.texts == (1...20).map { Self.text($0) })
            #expect(server.lines.first == "connected" && server.lines.count { $0 == "connected" } == 1)

            // A refused line is a dead letter with the server's words.
            let refused = Installation.notice(21).replacing("\"content\": \"", with: "\"content\": \"refuse\\nthis: ")
            try await installation.enqueue("notice", refused)
            try await eventually("the dead letter", within: .seconds(30), every: .milliseconds(50)) {
                try await installation.json("dead", "list").list.map { $0["text"].text } == ["unwanted"]
            }
            #expect(server.texts.last == "refuse this: \(Self.text(21))")
            #expect(try await installation.stop() == .status(0))
            try await eventually("the goodbye") { server.lines.last == "BYE" }
        }

        @Test("What the server didn't acknowledge goes again to the next one, and costs no attempt")
        func serverKilled() async throws {
            let server = try await Server()
            let installation = try await Self.installation(server)
            try await installation.post(notice: 1)
            try await installation.delivered(1, ofNotice: 1)
            try server.process.write("mute\n")
            _ = try await server.process.line(containing: "mute")
            try await installation.post(notice: 2)
            try await eventually("the line") { server.texts.last == Self.text(2) }
            #expect(try await installation.targets(ofNotice: 2).delivered == 0)
            server.process.signal(SIGKILL)
            try await server.process.exit()
            for notice in 3...5 { try await installation.post(notice: notice) }
            try await eventually("items that wait", every: .milliseconds(50)) {
                try await installation.targets(ofNotice: 5).all == 1
            }
            let next = try await Server(port: server.port)
            for notice in 2...5 { try await installation.delivered(1, ofNotice: notice) }
            #expect(Set(next.texts) == Set((2...5).map { Self.text($0) }) && next.texts.count == 4)
            for notice in 2...5 { #expect(try await Self.item(notice, installation)["attempts"].int == 0) }
            #expect(try await installation.json("dead", "list") == .list([]))
            #expect(try await installation.stop() == .status(0))
        }

        @Test("An upgrade says goodbye before it connects anew, and no line comes twice")
        func upgrade() async throws {
            let server = try await Server()
            let installation = try await Self.installation(server)
            let load = SteadyLoad(port: installation.stompPort, queue: "notice", every: .milliseconds(50)) {
                Installation.notice($0)
            }
            try await eventually("the first lines", within: .seconds(30)) { server.texts.count >= 10 }
            let path = installation.pluginsFolder + "/lines.so"
            // Bytes behind the last section: another file, the same code.
            let next = try Data(contentsOf: URL(filePath: path)) + Data("another\n".utf8)
            try next.write(to: URL(filePath: path), options: .atomic)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
            try await eventually("the new version", within: .seconds(60), every: .milliseconds(100)) {
                let row = try await installation.json("plugins").list.first
                return row?["generation"].int == 2 && row?["rollout"] == .null
            }
            let notices = try await load.stop()
            for notice in 1...notices { try await installation.delivered(1, ofNotice: notice) }
            #expect(server.texts.sorted() == (1...notices).map { Self.text($0) }.sorted())
            #expect(server.lines.filter { !$0.hasPrefix("PUT") } == ["connected", "BYE", "connected"])
            #expect(try await installation.stop() == .status(0))
        }
    }
}
