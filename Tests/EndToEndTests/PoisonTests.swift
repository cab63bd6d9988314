// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// Items that end their workers, in all ways there are: they end as dead letters that say so, and harm no other.
    @Suite(.timeLimit(.minutes(5))) struct PoisonTests {
        /// Of queue `line` in the fixture.
        private static let inFlight = 16
        private static let workers = 2

        @Test("One poison item among 3,000: it is the one dead letter, and all others are delivered")
        func among3000() async throws {
            let culprit = try Culprit(workers: Self.workers, queue: ["max_retries: 3"])
            try await culprit.install()
            try await culprit.installation.start()
            let begin = ContinuousClock.now
            let good = (1..<3000).map { "line \($0)" }
            try await culprit.enqueue(good.prefix(1400) + ["crash"] + good.dropFirst(1400))
            try await culprit.delivered(good)
            let dead = try await culprit.dead(1)
            let time = ContinuousClock.now - begin
            let letter = try #require(dead["crash"])
            #expect(dead.count == 1)
            #expect(letter["reason"].text == "killed")
            #expect(letter["kills"].int == 4)
            #expect(letter["attempts"].int == 0)
            #expect(letter["text"].text?.contains("culprit 1.0.0: signal 11 (Segmentation fault)") == true, "\(letter)")
            let twice = culprit.lines.count - good.count
            print("items=3000 dead=1 harmed=0 lost=0 twice=\(twice) time=\(time)")
            #expect(Set(culprit.lines) == Set(good))
            // What was in flight beside it when it ended its first, ordinary, worker may have been written already.
            #expect(twice <= Self.inFlight)
            try await culprit.installation.whole(workers: Self.workers)
            #expect(try await culprit.installation.stop() == .status(0))
            #expect(culprit.installation.processes().isEmpty)
        }

        @Test("Each way to end a worker has its dead letter, at the same time; nobody else is charged")
        func ways() async throws {
            let culprit = try Culprit(workers: Self.workers, queue: ["max_retries: 1"])
            try await culprit.install()
            try await culprit.installation.start()
            let causes = [
                "crash": "signal 11 (Segmentation fault)", "exit": "exit status 3", "corrupt": "signal 6 (Aborted)",
                "spin": "exit status 70", "hang": "not completed within 2.0 s",
            ]
            let good = (1...400).map { "line \($0)" }
            try await culprit.enqueue(good.prefix(200) + causes.keys.sorted() + good.dropFirst(200))
            let dead = try await culprit.dead(causes.count)
            try await culprit.delivered(good)
            #expect(Set(dead.keys) == Set(causes.keys))
            for (word, cause) in causes {
                let letter = try #require(dead[word])
                #expect(letter["reason"].text == "killed", "\(word): \(letter)")
                #expect(letter["kills"].int == 2 && letter["attempts"].int == 0, "\(word): \(letter)")
                #expect(letter["text"].text?.contains(cause) == true, "\(word): \(letter)")
            }
            #expect(try await culprit.installation.stop() == .status(0))
        }

        @Test("An item that dies of what another one left in its process isn't charged")
        func innocent() async throws {
            let culprit = try Culprit(workers: 1, queue: ["max_retries: 0"])
            try await culprit.install()
            try await culprit.installation.start()
            // With 300 ms until the next one dies. The first kill would make a dead letter.
            try await culprit.enqueue(["spoil"])
            try await culprit.delivered(["spoil"])
            let hostd = try #require(culprit.installation.hostd)
            var number = 0
            try await eventually("a line that dies of it", within: .seconds(30), every: .milliseconds(100)) {
                number += 1
                try await culprit.enqueue(["line \(number)"])
                return hostd.errors.all.contains { $0.contains("signal 11") }
            }
            try await culprit.delivered((1...number).map { "line \($0)" })
            #expect(try await culprit.installation.json("dead", "list") == .list([]))
            #expect(try await culprit.installation.stop() == .status(0))
        }

        @Test(
            "A queue with one worker per site is hunted through by that worker: the poison item is found, the rest delivered"
        )
        func singleton() async throws {
            let culprit = try Culprit(workers: 2, queue: ["max_retries: 1"])
            try await culprit.install()
            try await culprit.installation.start()
            let good = (1...20).map { "line \($0)" }
            for line in good.prefix(10) + ["crash"] + good.dropFirst(10) {
                try await culprit.enqueue([line], queue: "single")
            }
            try await culprit.delivered(good)
            try await eventually("a dead letter", within: .seconds(60), every: .milliseconds(200)) {
                try await culprit.installation.json("dead", "list").list.count == 1
            }
            let letter = try await culprit.installation.json("dead", "list").list.first
            #expect(letter?["queue"].text == "single" && letter?["reason"].text == "killed")
            #expect(try await culprit.installation.stop() == .status(0))
        }

        @Test("A handler that fails on every item of one site uses up those items' attempts, and no other site's")
        func oneSiteFails() async throws {
            let culprit = try Culprit(queue: ["max_retries: 1"])
            try culprit.writeSite("bad", keys: "fail: true")
            try await culprit.install()
            try await culprit.installation.start()
            let good = (1...200).map { "line \($0)" }
            let bad = (1...20).map { "bad \($0)" }
            try await culprit.enqueue(bad, site: "bad")
            try await culprit.enqueue(good)
            try await culprit.delivered(good)
            let dead = try await culprit.dead(bad.count)
            #expect(Set(dead.keys) == Set(bad))
            for letter in dead.values {
                #expect(letter["site"].text == "bad" && letter["reason"].text == "max-retries", "\(letter)")
                #expect(letter["attempts"].int == 2 && letter["kills"].int == 0, "\(letter)")
            }
            #expect(culprit.lines.count == good.count)
            #expect(try await culprit.installation.stop() == .status(0))
        }

        @Test("An item that eats memory past workers.memory_limit is ended like any other that ends its worker")
        func eats() async throws {
            let culprit = try Culprit(queue: ["max_retries: 0"], workersMore: ["memory_limit: 128MiB"])
            // Its deadline isn't what ends it.
            let source = try String(contentsOfFile: CPlugin.fixture("culprit"), encoding: .utf8)
            let patient = source.replacing("#define TIMEOUT_MS 2000", with: "#define TIMEOUT_MS 60000")
            let path = try culprit.installation.directory.write(patient, to: "patient/culprit.c")
            try await culprit.installation.installC(path, as: "culprit.so")
            try await culprit.installation.start()
            let good = (1...100).map { "line \($0)" }
            try await culprit.enqueue(good.prefix(50) + ["eat"] + good.dropFirst(50))
            try await culprit.delivered(good)
            let dead = try await culprit.dead(1)
            #expect(dead["eat"]?["reason"].text == "killed", "\(dead)")
            #expect(dead.count == 1)
            #expect(try await culprit.installation.stop() == .status(0))
        }
    }
}
