// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// Plugins that die, or never return, where they are started, opened or ended.
    @Suite(.timeLimit(.minutes(5))) struct PluginLifeTests {
        private static let good = (1...50).map { "line \($0)" }

        @Test(
            "A plugin that fails in init takes no other with it; mended and restarted, it handles what waited",
            arguments: ["crash", "hang"]
        )
        func initialize(how: String) async throws {
            let culprit = try Culprit(workers: 1, workersMore: ["start_timeout: 1s"])
            let installation = culprit.installation
            try await culprit.install(macros: ["INIT": how])
            try await installation.installC("minimal", as: "minimal.so")
            let out = installation.directory.file("minimal.out")
            try installation.writeSite("other", plugins: ["minimal": "{ enabled: true, out: \"\(out)\" }"])
            try await installation.start()
            try await culprit.enqueue(Self.good)
            try await installation.enqueue("demo", "one\ntwo", site: "other")
            try await eventually("the other plugin's items", within: .seconds(60), every: .milliseconds(100)) {
                (try? String(contentsOfFile: out, encoding: .utf8))?.split(separator: "\n").sorted() == ["one", "two"]
            }
            try await eventually("its reason", within: .seconds(30), every: .milliseconds(100)) {
                let row = try await installation.json("plugins").list.first { $0["file"].text == "culprit.so" }
                return row?["reason"].text?.contains("its worker ends at its start") == true
            }
            #expect(culprit.lines.isEmpty)
            try await culprit.install()
            try await installation.queuectl("restart")
            try await culprit.delivered(Self.good, within: .seconds(60))
            #expect(try await installation.json("dead", "list") == .list([]))
            #expect(try await installation.stop() == .status(0))
            #expect(installation.processes().isEmpty)
        }

        @Test(
            "A plugin that fails while it opens one site serves the others; mended, that one is served too",
            arguments: ["crash", "hang"]
        )
        func siteOpen(how: String) async throws {
            let culprit = try Culprit(workers: 2, workersMore: ["start_timeout: 1s"])
            let installation = culprit.installation
            try culprit.writeSite("bad", keys: "open: \(how)")
            try await culprit.install()
            try await installation.start()
            let waiting = (1...20).map { "bad \($0)" }
            try await culprit.enqueue(waiting, site: "bad")
            try await culprit.enqueue(Self.good)
            try await culprit.delivered(Self.good)
            let rows = try await installation.json("sites").list
            let bad = try #require(rows.first { $0["nickname"].text == "bad" })
            #expect(bad["state"].text == "error")
            #expect(bad["error"].text?.contains("its worker ended while it opened the site") == true, "\(bad)")
            #expect(rows.first { $0["nickname"].text == Installation.site }?["state"].text == "open")
            #expect(culprit.lines.count == Self.good.count)
            try culprit.writeSite("bad")
            try await installation.queuectl("update", "-s", "bad")
            try await culprit.delivered(waiting, within: .seconds(60))
            try await eventually("the site is open") {
                try await installation.json("sites").list.allSatisfy { $0["state"].text == "open" }
            }
            #expect(culprit.lines.count == Self.good.count + waiting.count)
            #expect(try await installation.json("dead", "list") == .list([]))
            #expect(try await installation.stop() == .status(0))
        }

        @Test(
            "A plugin that fails in shutdown keeps hostd from no stop, and nothing is delivered twice",
            arguments: ["crash", "hang"]
        )
        func shutdown(how: String) async throws {
            let culprit = try Culprit(workers: 2, queue: ["drain_timeout: 2s"])
            try await culprit.install(macros: ["SHUTDOWN": how])
            try await culprit.installation.start()
            try await culprit.enqueue(Self.good)
            try await culprit.delivered(Self.good)
            #expect(try await culprit.installation.stop() == .status(0))
            #expect(culprit.installation.processes().isEmpty)
            try await culprit.installation.start()
            try await culprit.enqueue(["last"])
            try await culprit.delivered(["last"])
            #expect(culprit.lines.count == Self.good.count + 1)
            #expect(try await culprit.installation.stop() == .status(0))
        }
    }
}
