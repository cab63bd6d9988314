// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport
import Testing

extension EndToEnd {
    /// `queue.dead_letter_dir` beside the table, by queuectl and with kills between the two.
    @Suite struct DeadLetterTests {
        private static let count = 400

        private static func files(_ installation: Installation) -> [String] {
            let names = try? FileManager.default.contentsOfDirectory(atPath: installation.directory.file("dead"))
            return (names ?? []).filter { !$0.hasPrefix(".") }.sorted()
        }

        private static func frame(_ installation: Installation, _ name: String) -> String? {
            FileManager.default.contents(atPath: installation.directory.file("dead/" + name))
                .map { String(decoding: $0, as: UTF8.self) }
        }

        /// Of each letter of the table its frame and its `.json`, and nothing else.
        private static func agree(_ installation: Installation) async throws -> Bool {
            let letters = try await installation.json("dead", "list").list
            let wanted = letters.compactMap { letter -> [String]? in
                guard let id = letter["id"].int, let queue = letter["queue"].text else { return nil }
                return ["demo-\(queue)-\(id)", "demo-\(queue)-\(id).json"]
            }
            return files(installation) == wanted.flatMap(\.self).sorted()
        }

        @Test("Files follow the table through kills of the broker, requeue and drop")
        func follow() async throws {
            let installation = try Installation(.init(workers: 1, queue: ["dead_letter_dir: dead"], plugins: [:]))
            try await installation.start()
            let frames = (0..<Self.count).map { "frame \($0)" }
            try await installation.queuectl(
                "enqueue",
                "-s",
                Installation.site,
                "--jsonl",
                "nobody",
                "-",
                input: frames.joined(separator: "\n")
            )
            // All are in the table, and some in the folder.
            try await Self.killBroker(of: installation)
            try await eventually("files of all letters", within: .seconds(60), every: .milliseconds(100)) {
                try await Self.agree(installation)
            }
            let letters = try await installation.json("dead", "list").list
            #expect(letters.count == Self.count)
            let found = Set(
                Self.files(installation).filter { !$0.hasSuffix(".json") }.compactMap { Self.frame(installation, $0) }
            )
            #expect(found == Set(frames))

            let ids = letters.compactMap { $0["id"].int }
            let dry = try await installation.queuectl("dead", "drop", "\(ids[0])", "\(ids[1])", "--dry-run")
            #expect(dry == "2 would be dropped")
            #expect(try await installation.queuectl("dead", "drop", "\(ids[0])", "\(ids[1])") == "2 dropped")
            let refused = try await installation.queuectl("dead", "requeue", "-q", "nobody", "--newer-than", "1h")
            #expect(refused.hasPrefix("0 requeued, \(Self.count - 2) stay dead"))
            let none = try await installation.queuectl("dead", "drop", "--newer-than", "1h", "--older-than", "1h")
            #expect(none == "0 dropped")
            try await eventually("the files of the rest", every: .milliseconds(100)) {
                try await Self.agree(installation)
            }
            #expect(try await installation.queuectl("dead", "drop", "--all") == "\(Self.count - 2) dropped")
            try await Self.killBroker(of: installation)
            try await eventually("an empty folder", within: .seconds(60), every: .milliseconds(100)) {
                Self.files(installation).isEmpty
            }
            #expect(try await installation.stop() == .status(0))
        }

        private static func killBroker(of installation: Installation) async throws {
            let pid = try #require(installation.processes(role: "broker").first)
            #expect(Glibc.kill(pid, SIGKILL) == 0)
            try await eventually("the end of broker \(pid)") { installation.processes()[pid] == nil }
            try await eventually("another broker", within: .seconds(60), every: .milliseconds(100)) {
                (try? await installation.queuectl("dead", "list")) != nil
            }
        }

        @Test("A folder that can't be used ends the start with its name, before anything runs")
        func unusable() async throws {
            let installation = try Installation(.init(queue: ["dead_letter_dir: no/such/folder"], plugins: [:]))
            let hostd = try installation.run()
            #expect(try await hostd.exit() == .status(1))
            let line = try await hostd.line(containing: "queue.dead_letter_dir can't be used", of: hostd.errors)
            #expect(line.contains("no/such/folder") && line.contains("create the directory above it"))
            #expect(installation.processes().isEmpty)
        }
    }
}
