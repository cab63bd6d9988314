// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

extension EndToEnd {
    /// An operator's hand on the valve.
    @Suite struct PauseTests {
        @Test("A paused queue takes items and lets none out, also for a site that is new to it; resume delivers them")
        func pauseAndResume() async throws {
            let installation = try Installation(.init(workers: 1))
            let receiver = Receiver(in: installation.directory, targets: 50)
            try await receiver.start()
            try await installation.start()
            try await installation.subscribe(receiver)
            try await installation.queuectl("pause", "ombout")
            try await installation.post(notice: 1)
            let wanted = Installation.Targets(waiting: receiver.targets)
            try await eventually("50 items that wait") { try await installation.targets(ofNotice: 1) == wanted }
            let queue = try #require(
                try await installation.json("status")["queues"].list.first { $0["queue"].text == "ombout" }
            )
            #expect(queue["paused"] == .bool(true))
            #expect(queue["ready"].int == receiver.targets)
            #expect(queue["claimed"].int == 0)
            #expect(try await receiver.counts()["received"].int == 0)

            try await installation.queuectl("resume", "ombout", "-s", Installation.site)
            try await installation.delivered(receiver.targets, ofNotice: 1)
            #expect(receiver.taken(notice: 1).values.allSatisfy { $0 == 1 })
            #expect(try await installation.stop() == .status(0))
        }
    }
}
