// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

extension EndToEnd {
    /// Targets that are down, gone, or hang.
    @Suite struct RedeliveryTests {
        @Test(
            "While its target is down an item waits and uses up nothing; when the target is back, it is delivered once"
        )
        func downAndUp() async throws {
            // A second attempt that counted would make it a dead letter.
            let installation = try Installation(.init(queue: ["max_retries: 1"]))
            let receiver = Receiver(in: installation.directory, targets: 20)
            try await receiver.start()
            try await receiver.stop()
            try await installation.start()
            try await installation.subscribe(receiver)
            try await installation.post(notice: 1)

            try await eventually("20 open lanes", within: .seconds(60), every: .milliseconds(50)) {
                try await installation.json("status")["lanes"].list.count == 20
            }
            let lanes = try await installation.json("status")["lanes"].list
            #expect(lanes.allSatisfy { $0["queue"].text == "ombout" && $0["waiting"].int == 1 })
            #expect(lanes.allSatisfy { $0["reason"].text?.isEmpty == false })
            // Each lane is probed at least twice, in vain.
            var before = try Self.nextAttempts(lanes)
            for _ in 1...2 {
                let last = before
                try await eventually("a later attempt of each lane", within: .seconds(60), every: .milliseconds(100)) {
                    before = try Self.nextAttempts(await installation.json("status")["lanes"].list)
                    return last.allSatisfy { target, time in before[target].map { $0 > time } ?? false }
                }
            }
            #expect(try await installation.targets(ofNotice: 1) == Installation.Targets(retrying: 20))

            try await receiver.start()
            try await installation.delivered(20, ofNotice: 1)
            let taken = receiver.taken(notice: 1)
            #expect(taken.count == 20)
            #expect(taken.values.allSatisfy { $0 == 1 })
            #expect(try await installation.json("dead", "list") == .list([]))
            try await eventually("no lane that backs off") {
                try await installation.json("status")["lanes"].list.isEmpty
            }
            #expect(try await installation.stop() == .status(0))
        }

        /// RFC 3339 in UTC, so that the text's order is the time's.
        private static func nextAttempts(_ lanes: [JSON]) throws -> [String: String] {
            try lanes.reduce(into: [:]) { times, lane in
                guard let target = lane["target"].text, let time = lane["next_attempt"].text, time.hasSuffix("Z") else {
                    throw TestSupportError.missing("target and next_attempt in \(lane)")
                }
                times[target] = time
            }
        }

        @Test("HTTP 403 ends a subscription: the next notice is posted to nobody")
        func unsubscribed() async throws {
            let installation = try Installation(.init(workers: 1))
            let receiver = Receiver(in: installation.directory, targets: 10)
            try await receiver.start("--status", "403")
            try await installation.start()
            try await installation.subscribe(receiver)
            try await installation.post(notice: 1)
            try await eventually("the end of all subscriptions") {
                try await installation.queuectl("recipients", "export", "-s", Installation.site, "omb").isEmpty
            }
            try await installation.post(notice: 2)
            try await eventually("the end of notice 2's stage 1") {
                try await installation.json("notice", "2")["items"].list
                    .contains { $0["queue"].text == "omb" && $0["state"].text == "delivered" }
            }
            #expect(try await installation.targets(ofNotice: 2).all == 0)
            #expect(try await receiver.counts()["received"].int == 10)
            #expect(try await installation.json("dead", "list") == .list([]))
            #expect(try await installation.stop() == .status(0))
        }

        @Test("Three targets that never answer hold up none of the others, notice after notice")
        func hanging() async throws {
            let installation = try Installation(.init(queue: ["drain_timeout: 1s"]))
            let well = Receiver(in: installation.directory, targets: 297, name: "well")
            let hanging = Receiver(in: installation.directory, targets: 3, name: "hanging")
            try await well.start()
            try await hanging.start("--hang")
            try await installation.start()
            try await installation.subscribe(well)
            try await installation.subscribe(hanging)
            for notice in 1...3 {
                try await installation.post(notice: notice)
                try await installation.delivered(well.targets, ofNotice: notice)
            }
            // All the others have all three while the three still hang on the first.
            #expect(try await hanging.counts()["valid"].int == 0)
            for notice in 1...3 {
                let sums = try await installation.targets(ofNotice: notice)
                #expect(
                    sums == Installation.Targets(delivered: well.targets, waiting: hanging.targets),
                    "notice \(notice)"
                )
                #expect(well.taken(notice: notice).values.allSatisfy { $0 == 1 })
            }
            // The worker lets go of what hangs, and ends by itself in time.
            let hostd = try #require(installation.hostd)
            #expect(try await installation.stop() == .status(0))
            try await hostd.errors.finished()
            #expect(!hostd.errors.all.contains { $0.contains("not drained") || $0.contains("signal ") })
            #expect(installation.processes().isEmpty)
        }
    }
}
