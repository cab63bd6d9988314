// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// Operators in a hurry, and upgrades at the worst moment.
    @Suite(.timeLimit(.minutes(10))) struct BadDayTests {
        private static let workers = 2

        private func omb(_ installation: Installation) async throws -> JSON {
            try await installation.json("plugins").list.first { $0["file"].text == "omb.so" } ?? .null
        }

        @Test(
            "`restart` a hundred times at once on the control channel is a restart or two, and one generation at the end"
        )
        func manyRestarts() async throws {
            let installation = try Installation(.init(workers: Self.workers))
            let receiver = Receiver(in: installation.directory, targets: 20)
            try await receiver.start("--delay", "5")
            try await installation.start()
            try await installation.subscribe(receiver)
            let hostd = try #require(installation.hostd)
            let client = try await StompTestClient.connect(port: installation.stompPort)
            try await client.connect()
            for notice in 1...10 { try await installation.post(notice: notice) }
            let word = "SEND\ndestination:/topic/statusnet-control\nreceipt:r\n\nrestart\0"
            try await client.send(String(repeating: word, count: 100))
            _ = try await client.frames.first(100, "receipts")
            // Who asks now is answered after all that was asked before.
            let answer = try await installation.queuectl("restart")
            let last = try #require(try await omb(installation)["generation"].int)
            #expect(answer.hasPrefix("restart: omb is generation \(last), "), "\(answer)")
            // The first, one for all that came meanwhile, perhaps one for stragglers, and ours.
            #expect((3...5).contains(last), "\(last - 1) new generations")
            #expect(hostd.errors.all.count { $0.contains("new generation starts") } == last - 1)
            try await installation.whole(workers: Self.workers)
            let workers = try await installation.json("status")["processes"].list.filter { $0["role"].text == "worker" }
            #expect(workers.allSatisfy { $0["generation"].int == last }, "\(workers)")
            for notice in 1...10 {
                try await installation.delivered(receiver.targets, ofNotice: notice)
                #expect(receiver.taken(notice: notice).values.allSatisfy { $0 == 1 })
            }
            try await eventually("the end of all old workers") { installation.processes().count == Self.workers + 2 }
            #expect(try await installation.stop() == .status(0))
        }

        @Test("An upgrade while a fan-out of 50,000 is half staged: each target gets it exactly once")
        func upgradeWhileStaging() async throws {
            let installation = try Installation(.init(workers: Self.workers))
            let receiver = Receiver(in: installation.directory, targets: 50_000)
            try await receiver.start()
            try await installation.start()
            try await installation.subscribe(receiver)
            // Nothing is delivered before all is staged: stage 1 has the workers to itself.
            try await installation.queuectl("pause", "ombout")
            let staged = {
                try await installation.json("status")["queues"].list.first { $0["queue"].text == "ombout" }?["ready"]
                    .int
                    ?? 0
            }
            let path = installation.pluginsFolder + "/omb.so"
            let next = try Data(contentsOf: URL(filePath: path)) + Data("another version\n".utf8)
            try await installation.post(notice: 1)
            try await eventually("a third of them", within: .seconds(60)) { try await staged() >= 10_000 }
            try next.write(to: URL(filePath: path))
            let before = try await staged()
            try #require(before < receiver.targets, "all is staged before the upgrade begins")
            let answer = try await installation.queuectl("restart")
            let after = try await staged()
            #expect(answer.hasPrefix("restart: omb is generation 2, "), "\(answer)")
            try await eventually("all targets staged", within: .seconds(120), every: .milliseconds(200)) {
                try await staged() == receiver.targets
            }
            try await installation.queuectl("resume", "ombout")
            try await eventually("all deliveries", within: .seconds(300), every: .milliseconds(500)) {
                try await installation.isEmpty("ombout")
            }
            try await installation.delivered(receiver.targets, ofNotice: 1)
            let arrivals = receiver.arrivals()
            let twice = arrivals.values.count { $0.count > 1 }
            #expect(arrivals.count == receiver.targets)
            let targets = receiver.targets
            print("targets=\(targets) staged before the upgrade=\(before) after=\(after) lost=0 twice=\(twice)")
            #expect(twice == 0)
            #expect(try await installation.json("dead", "list").list.isEmpty)
            #expect(try await installation.stop() == .status(0))
            #expect(installation.processes().isEmpty)
        }
    }
}
