// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

extension EndToEnd {
    /// A stop that was asked for finishes what is in flight: nothing goes out twice.
    @Suite struct DrainTests {
        /// More than twice what the one worker has in flight.
        private static let targets = 1200

        @Test("SIGTERM in the middle of a fan-out, twice: after the restarts each target has the notice exactly once")
        func stopAndGo() async throws {
            let installation = try Installation(.init(workers: 1))
            let receiver = Receiver(in: installation.directory, targets: Self.targets)
            try await receiver.start("--delay", "5")
            try await installation.start()
            try await installation.subscribe(receiver)
            try await installation.post(notice: 1)
            var random = SeededRandom()
            for _ in 1...2 {
                let more = receiver.taken(notice: 1).count + Int.random(in: 1...50, using: &random)
                try await receiver.taken(more, notice: 1)
                #expect(try await installation.stop() == .status(0))
                #expect(installation.processes().isEmpty)
                #expect(receiver.taken(notice: 1).count < Self.targets, "it wasn't in the middle")
                try await installation.start()
            }
            try await installation.delivered(Self.targets, ofNotice: 1)
            let taken = receiver.taken(notice: 1)
            #expect(taken.count == Self.targets)
            #expect(taken.values.allSatisfy { $0 == 1 })
            let items = try await installation.json("notice", "1")["items"].list
            #expect(items.allSatisfy { $0["attempts"].int == 0 }, "a drain was counted as an attempt")
            #expect(try await installation.stop() == .status(0))
        }

        @Test("SIGINT, queuectl stop and the control topic drain as SIGTERM does")
        func waysToStop() async throws {
            let installation = try Installation(.init(workers: 1))
            try await installation.start()
            #expect(try await installation.stop(SIGINT) == .status(0))
            try await installation.start()
            let hostd = try #require(installation.hostd)
            try await installation.queuectl("stop")
            #expect(try await hostd.exit() == .status(0))
            #expect(installation.processes().isEmpty)
            try await installation.start()
            let next = try #require(installation.hostd)
            let client = try await StompTestClient.connect(port: installation.stompPort)
            try await client.connect()
            try await client.send("SEND", ["destination": "/topic/statusnet-control"], body: "shutdown")
            #expect(try await next.exit() == .status(0))
            #expect(installation.processes().isEmpty)
        }
    }
}
