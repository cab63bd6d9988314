// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

extension EndToEnd {
    /// `queuectl target`, against targets that come and go.
    @Suite struct TargetTests {
        private func waits(_ installation: Installation, lanes count: Int, _ state: String) async throws {
            try await eventually("\(count) lanes that are \(state)", every: .milliseconds(100)) {
                let status = try await installation.json("status")
                return status["lanes_total"].int == count
                    && status["lanes"].list.allSatisfy { $0["state"].text == state }
            }
        }

        @Test(
            "A blocked host gets nothing, over a kill of the broker; unblocked it gets all, once; replay sends it again"
        )
        func blockUnblockReplay() async throws {
            let installation = try Installation(.init(workers: 1))
            let receiver = Receiver(in: installation.directory, targets: 20)
            try await receiver.start()
            try await installation.start()
            try await installation.subscribe(receiver)
            let host = "127.0.0.1:\(receiver.port)"
            try await installation.queuectl("target", host, "block")
            try await installation.post(notice: 1)
            try await waits(installation, lanes: 20, "blocked")
            let lane = try #require(try await installation.json("status")["lanes"].list.first)
            #expect(lane["reason"].text == "blocked by operator")
            for pid in installation.processes(role: "broker") { kill(pid, SIGKILL) }
            try await installation.whole(workers: 1)
            let status = try await installation.json("status")
            #expect(status["needs"].list.contains { $0.text?.contains(host) == true })
            #expect(status["blocks"].list.map { $0["pattern"].text } == [host])
            #expect(try await installation.queuectl("target", "blocks").contains(host))
            #expect(receiver.order(notice: 1).isEmpty)

            try await installation.queuectl("target", host, "unblock")
            try await installation.delivered(receiver.targets, ofNotice: 1)
            #expect(receiver.taken(notice: 1).values.allSatisfy { $0 == 1 })

            let target = "http://\(host)/omb/7/postnotice"
            let dry = try await installation.queuectl("target", target, "replay", "--since", "1h", "--dry-run")
            #expect(dry == "1 would be sent again")
            #expect(receiver.taken(notice: 1)[7] == 1)
            let sent = try await installation.queuectl("target", target, "replay", "--since", "1h")
            #expect(sent == "1 sent again")
            try await eventually("target 7 to take the notice again", within: .seconds(60)) {
                receiver.taken(notice: 1)[7] == 2
            }
            #expect(receiver.order(notice: 1).count == receiver.targets + 1)
            let shown = try await installation.json("target", target, "show")
            #expect(shown["target"].text == target)
            #expect(shown["last_delivered"].text != nil)
            #expect(try await installation.stop() == .status(0))
        }

        @Test("retry-now starts what waits for a target that is back")
        func retryNow() async throws {
            let installation = try Installation(.init(workers: 1))
            let receiver = Receiver(in: installation.directory, targets: 5)
            try await receiver.start()
            try await installation.start()
            try await installation.subscribe(receiver)
            try await receiver.stop()
            try await installation.post(notice: 1)
            try await eventually("5 lanes that back off", every: .milliseconds(100)) {
                try await installation.json("status")["lanes_total"].int == 5
            }
            let target = "http://127.0.0.1:\(receiver.port)/omb/3/postnotice"
            let shown = try await installation.json("target", target, "show")
            let lane = try #require(shown["lanes"].list.first)
            #expect(lane["waiting"].int == 1)
            #expect(lane["reason"].text?.isEmpty == false)
            #expect(shown["last_failure"]["time"].text != nil)
            try await receiver.start()
            try await installation.queuectl("target", target, "retry-now")
            try await eventually("target 3 to take the notice", within: .seconds(60)) {
                receiver.taken(notice: 1)[3] == 1
            }
            try await installation.delivered(receiver.targets, ofNotice: 1, within: .seconds(120))
            #expect(receiver.taken(notice: 1).values.allSatisfy { $0 == 1 })
            #expect(try await installation.stop() == .status(0))
        }
    }
}
