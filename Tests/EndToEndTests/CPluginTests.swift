// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// Tests/Fixtures/plugins/minimal.c, as a third party builds it, through both stages: what becomes of good lines and
    /// of lines that crash, hang, or ask for something.
    @Suite struct CPluginTests {
        /// Of `demoout` in the fixture.
        private static let inFlight = 16
        private static let workers = 2

        private static func installation(maxRetries: Int) throws -> Installation {
            let installation = try Installation(
                .init(workers: workers, queue: ["max_retries: \(maxRetries)"], plugins: [:])
            )
            try installation.writeMinimalSite()
            return installation
        }

        @Test("A plugin of one C file expands and delivers: each line once")
        func bothStages() async throws {
            let installation = try Self.installation(maxRetries: 10)
            try await installation.installC("minimal", as: "minimal.so")
            try await installation.start()
            let wanted = (1...1000).map { "line \($0)" }
            try await installation.enqueue("demo", wanted.joined(separator: "\n"))
            try await eventually("1000 lines in the file", within: .seconds(60), every: .milliseconds(50)) {
                installation.minimalLines.count >= wanted.count
            }
            #expect(try await installation.stop() == .status(0))
            #expect(installation.minimalLines.sorted() == wanted.sorted())
        }

        @Test("Lines that crash or hang end as dead letters after so many kills, and cost their neighbours nothing")
        func badLines() async throws {
            let installation = try Self.installation(maxRetries: 1)
            try await Self.installVariant(in: installation)
            try await installation.start()
            let good = (1...400).map { "line \($0)" }
            let bad = ["crash it", "hang it", "retry it", "discard it"]
            try await installation.enqueue(
                "demo",
                (good.prefix(200) + bad + good.dropFirst(200)).joined(separator: "\n")
            )

            try await eventually("four dead letters", within: .seconds(60), every: .milliseconds(200)) {
                try await installation.json("dead", "list").list.count >= bad.count
            }
            try await eventually("all good lines", within: .seconds(60), every: .milliseconds(50)) {
                Set(installation.minimalLines) == Set(good)
            }
            let dead = try await installation.json("dead", "list").list
            let byTarget = Dictionary(grouping: dead) { $0["target"].text ?? "" }
            for (line, reason, attempts, kills) in [
                ("crash it", "killed", 0, 2), ("hang it", "killed", 0, 2), ("retry it", "max-retries", 2, 0),
                ("discard it", "rejected", 0, 0),
            ] {
                let letter = try #require(byTarget[line]?.first, "\(line) is no dead letter")
                #expect(byTarget[line]?.count == 1)
                #expect(letter["reason"].text == reason, "\(line): \(letter)")
                #expect(letter["attempts"].int == attempts, "\(line): \(letter)")
                #expect(letter["kills"].int == kills, "\(line): \(letter)")
                #expect(letter["text"].text?.isEmpty == false)
            }
            // What was in flight beside a line that killed its worker may have been written already.
            let twice = installation.minimalLines.count - good.count
            print("kills=4 lost=0 twice=\(twice)")
            #expect(twice <= 4 * Self.inFlight)
            try await installation.whole(workers: Self.workers)
            #expect(try await installation.stop() == .status(0))
            #expect(installation.processes().isEmpty)
        }

        /// The fixture with a deadline that a test can wait for, and a retry that is the line's fault: one that the
        /// target is to blame for is charged to its lane.
        private static func installVariant(in installation: Installation) async throws {
            var source = try String(contentsOfFile: CPlugin.fixture("minimal"), encoding: .utf8)
            for (old, new) in [
                ("\"demoout\", NULL, 16, 0,", "\"demoout\", NULL, \(inFlight), 300,"),
                ("HOSTD_R_REMOTE, \"the line asks for a retry\"", "HOSTD_R_OTHER, \"the line asks for a retry\""),
            ] {
                guard source.contains(old) else { throw TestSupportError.missing("'\(old)' in minimal.c") }
                source = source.replacing(old, with: new)
            }
            let path = try installation.directory.write(source, to: "variant/minimal.c")
            try await installation.installC(path, as: "minimal.so")
        }
    }
}
