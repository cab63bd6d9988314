// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// Plugins that need more memory than they may have.
    @Suite struct MemoryTests {
        /// minimal.c, with a line that keeps 2 MiB for good, or with 200 MiB from its start on.
        private static func install(_ changes: [(String, String)], in installation: Installation) async throws {
            var source = try String(contentsOfFile: CPlugin.fixture("minimal"), encoding: .utf8)
            for (old, new) in changes {
                guard source.contains(old) else { throw TestSupportError.missing("'\(old)' in minimal.c") }
                source = source.replacing(old, with: new)
            }
            let path = try installation.directory.write(source, to: "variant/minimal.c")
            try await installation.installC(path, as: "minimal.so")
        }

        private static func grow(_ mebibytes: Int) -> String {
            // Volatile: else the compiler sees that nobody reads it.
            let size = mebibytes << 20
            return "{ static char *volatile kept; kept = malloc(\(size)); if (kept) memset(kept, 1, \(size)); }"
        }

        private static func installation(_ workersMore: [String]) throws -> Installation {
            let installation = try Installation(.init(workers: 1, workersMore: workersMore, plugins: [:]))
            try installation.writeMinimalSite()
            return installation
        }

        @Test("A worker whose plugin leaks gives its place to a fresh one: each line once, no death")
        func leak() async throws {
            let installation = try Self.installation(["memory_limit: 1GiB"])
            let crash = "if (begins(job->payload, \"crash\")) abort();"
            try await Self.install([(crash, "if (begins(job->payload, \"leak\")) \(Self.grow(2))")], in: installation)
            try installation.configure(
                .init(workers: 1, workersMore: ["memory_limit: 1GiB"], queue: ["softlimit: 200MiB"], plugins: [:])
            )
            try await installation.start()
            let old = try #require(installation.processes(role: "worker").first)
            // 200 MiB of leaks and what a worker has anyway: past the soft limit, far from the hard one.
            let wanted = (1...1000).map { $0 % 10 == 0 ? "leak \($0)" : "line \($0)" }
            try await installation.enqueue("demo", wanted.joined(separator: "\n"))
            try await eventually("another worker alone", within: .seconds(60), every: .milliseconds(100)) {
                let workers = installation.processes(role: "worker")
                return workers.count == 1 && workers != [old]
            }
            try await eventually("all lines", within: .seconds(60), every: .milliseconds(50)) {
                installation.minimalLines.count >= wanted.count
            }
            try await installation.enqueue("demo", "the last line")
            try await eventually("a line by the fresh one") { installation.minimalLines.contains("the last line") }
            #expect(installation.minimalLines.sorted() == (wanted + ["the last line"]).sorted())
            #expect(try await installation.json("dead", "list").list.isEmpty)
            let hostd = try #require(installation.hostd)
            _ = try await hostd.line(containing: "a fresh process takes this one's place", of: hostd.errors)
            #expect(try await installation.stop() == .status(0))
        }

        @Test("Past the limit before it has done anything: it is started once, hostd says why and exits 75")
        func tooLarge() async throws {
            let installation = try Self.installation(["memory_limit: 128MiB"])
            let start = "plugin_state *p = malloc(sizeof *p);"
            try await Self.install([(start, start + " " + Self.grow(200))], in: installation)
            let hostd = try installation.run()
            _ = try await hostd.line(containing: "past queue.softlimit", of: hostd.errors, within: .seconds(60))
            #expect(try await hostd.exit(within: .seconds(60)) == .status(75))
            #expect(installation.processes().isEmpty)
        }
    }
}
