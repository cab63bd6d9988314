// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport
import Testing

extension EndToEnd {
    /// Which worker serves what: breakout entries, and plugins that share a process.
    @Suite struct UnitsTests {
        /// Ready workers: pid by group.
        private static func workers(_ installation: Installation) async throws -> [String: Int32] {
            let processes = try await installation.json("status")["processes"].list
            let workers = processes.filter { $0["role"].text == "worker" && $0["state"].text == "ready" }
            return Dictionary(workers.map { ($0["group"].text ?? "", Int32($0["pid"].int ?? 0)) }) { first, _ in first }
        }

        @Test("A breakout entry that a reload brings takes over what waits, and gives it back when it goes")
        func breakout() async throws {
            let plain = Installation.Settings(workers: 1)
            var broken = plain
            let entry = "main/ombout/\(Installation.site)"
            broken.queue = ["breakout: [\(entry)]"]
            let installation = try Installation(plain)
            let receiver = Receiver(in: installation.directory, targets: 300)
            try await receiver.start()
            try await installation.start()
            try await installation.subscribe(receiver)
            try await installation.queuectl("pause", "ombout")
            try await installation.post(notice: 1)
            let waiting = Installation.Targets(waiting: receiver.targets)
            try await eventually("all items wait") { try await installation.targets(ofNotice: 1) == waiting }

            try installation.configure(broken)
            try await installation.queuectl("update")
            try await eventually("a worker for the entry") { try await Self.workers(installation)[entry] != nil }
            let row = try await installation.json("status")["queues"].list.first { $0["queue"].text == "ombout" }
            #expect(row?["group"].text == entry && row?["ready"].int == receiver.targets)
            // The one that served them before is stopped: all that is delivered now goes through the new one.
            let old = try #require(try await Self.workers(installation)["main"])
            #expect(kill(old, SIGSTOP) == 0)
            try await installation.queuectl("resume", "ombout")
            try await installation.delivered(receiver.targets, ofNotice: 1)
            #expect(kill(old, SIGCONT) == 0)

            try installation.configure(plain)
            try await installation.queuectl("update")
            try await eventually("the entry's worker has gone") {
                try await Self.workers(installation).keys.sorted() == ["main"]
            }
            try await installation.post(notice: 2)
            try await installation.delivered(receiver.targets, ofNotice: 2)
            for notice in 1...2 {
                let taken = receiver.taken(notice: notice)
                #expect(taken.count == receiver.targets && taken.values.allSatisfy { $0 == 1 })
            }
            #expect(try await installation.stop() == .status(0))
            #expect(installation.processes().isEmpty)
        }

        @Test("Plugins of a group in one process: both deliver, and a crash of one costs the other nothing")
        func isolateGroup() async throws {
            let installation = try Installation(
                .init(workers: 1, workersMore: ["isolate: group"], queue: ["max_retries: 1"])
            )
            let out = installation.directory.file("out")
            try installation.writeSite(plugins: [
                "omb": "{ enabled: true, timeout: 60 }", "minimal": "{ enabled: true, out: \"\(out)\" }",
            ])
            try await installation.installC("minimal", as: "minimal.so")
            let receiver = Receiver(in: installation.directory, targets: 300)
            try await receiver.start()
            try await installation.start()
            let worker = try await installation.json("status")["processes"].list.first { $0["role"].text == "worker" }
            #expect(worker?["plugin"].text == "minimal,omb" && worker?["group"].text == "main")
            #expect(installation.processes(role: "worker").count == 1)

            try await installation.subscribe(receiver)
            let lines = (1...100).map { "line \($0)" }
            try await installation.post(notice: 1)
            try await installation.enqueue("demo", (lines + ["crash it"]).joined(separator: "\n"))
            // minimal.c takes the notice too, as one line.
            try await installation.delivered(receiver.targets + 1, ofNotice: 1)
            try await eventually("the line that crashes is a dead letter", within: .seconds(60)) {
                try await installation.json("dead", "list").list.count == 1
            }
            let dead = try #require(try await installation.json("dead", "list").list.first)
            #expect(dead["target"].text == "crash it" && dead["reason"].text == "killed" && dead["kills"].int == 2)
            try await eventually("all other lines", within: .seconds(60)) {
                let text = FileManager.default.contents(atPath: out).map { String(decoding: $0, as: UTF8.self) } ?? ""
                return Set(text.split(separator: "\n").map(String.init)).isSuperset(of: lines)
            }
            try await installation.whole(workers: 1)
            try await installation.queuectl("restart")
            try await installation.post(notice: 2)
            try await installation.delivered(receiver.targets + 1, ofNotice: 2)
            #expect(try await installation.stop() == .status(0))
        }
    }
}
