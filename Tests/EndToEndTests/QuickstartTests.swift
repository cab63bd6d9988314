// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import TestSupport
import Testing

extension EndToEnd {
    /// What a newcomer sees first: a notice goes out, and every command answers as documented (docs/queuectl.md).
    @Suite struct QuickstartTests {
        private static let targets = 300

        @Test("A notice reaches all of its 300 targets once, signed, and SIGTERM ends all of hostd's processes")
        func fanOut() async throws {
            let installation = try Installation()
            let receiver = Receiver(in: installation.directory, targets: Self.targets)
            try await receiver.start()
            try await installation.start()
            try await installation.subscribe(receiver)
            try await installation.post(notice: 1)
            try await installation.delivered(Self.targets, ofNotice: 1)

            let taken = receiver.taken(notice: 1)
            #expect(Set(taken.keys) == Set(1...Self.targets))
            #expect(taken.values.allSatisfy { $0 == 1 })
            let counts = try await receiver.counts()
            #expect(counts["received"].int == Self.targets)
            #expect(counts["valid"].int == Self.targets, "\(counts)")
            #expect(counts["invalid"].int == 0, "\(counts)")
            let wanted = Installation.Targets(delivered: Self.targets)
            #expect(try await installation.targets(ofNotice: 1) == wanted)

            #expect(installation.processes().count == 4)
            #expect(try await installation.stop() == .status(0))
            #expect(installation.processes().isEmpty)
        }

        @Test("queuectl's JSON has the members that programs rely on")
        func json() async throws {
            let installation = try Installation()
            let receiver = Receiver(in: installation.directory, targets: 3)
            try await receiver.start()
            try await installation.start()
            try await installation.subscribe(receiver)
            try await installation.post(notice: 1)
            try await installation.delivered(3, ofNotice: 1)

            let plugin = try #require(try await installation.json("plugins").list.first)
            #expect(
                plugin.members.isSuperset(
                    of: ["file", "id", "version", "state", "reason", "abi", "queues", "generation", "workers"]
                )
            )
            #expect(plugin["abi"].members.isSuperset(of: ["major", "need_minor", "built_minor"]))
            #expect(plugin["file"].text == "omb.so")
            #expect(plugin["state"].text == "loaded")
            #expect(plugin["workers"].int == 2)
            #expect(plugin["queues"].list.contains(.text("ombout")))

            let site = try #require(try await installation.json("sites").list.first)
            #expect(site.members.isSuperset(of: ["nickname", "server", "plugins", "state", "error"]))
            #expect(site["nickname"].text == Installation.site)
            #expect(site["plugins"].list == [.text("omb")])
            #expect(site["error"] == .null)

            let status = try await installation.json("status")
            #expect(status["hostd"].members.isSuperset(of: ["version", "pid", "uptime_s"]))
            #expect(status["hostd"]["pid"].int == installation.hostd.map { Int($0.pid) })
            let processes = status["processes"].list
            let members: Set = ["role", "pid", "plugin", "group", "generation", "rss_bytes", "in_flight"]
            #expect(processes.allSatisfy { $0.members.isSuperset(of: members) })
            #expect(processes.compactMap { $0["role"].text }.sorted() == ["broker", "supervisor", "worker", "worker"])
            #expect(Set(processes.compactMap { $0["pid"].int.map { Int32($0) } }) == Set(installation.processes().keys))
            let queue = try #require(status["queues"].list.first { $0["queue"].text == "ombout" })
            let figures = ["ready", "delayed", "claimed", "dead", "paused", "rate_in", "rate_out"]
            #expect(queue.members.isSuperset(of: Set(["queue", "group", "site"] + figures)))
            #expect(status["lanes"] == .list([]))

            let notice = try await installation.json("notice", "1")
            #expect(notice.members.isSuperset(of: ["notice", "site", "targets", "items"]))
            let item = try #require(notice["items"].list.first { $0["queue"].text == "ombout" })
            #expect(item.members.isSuperset(of: ["queue", "target", "state", "attempts", "next_attempt", "reason"]))
            #expect(item["target"].text?.hasPrefix("http://127.0.0.1:\(receiver.port)/omb/") == true)
            #expect(try await installation.json("dead", "list") == .list([]))
            #expect(try await installation.stop() == .status(0))
        }

        @Test("The console answers people, load balancers and Prometheus")
        func console() async throws {
            let installation = try Installation(.init(hasConsole: true))
            let receiver = Receiver(in: installation.directory, targets: 5)
            try await receiver.start()
            try await installation.start()
            try await installation.subscribe(receiver)
            try await installation.post(notice: 1)
            try await installation.delivered(5, ofNotice: 1)

            let hostd = try #require(installation.hostd)
            let line = try await hostd.line(containing: "listening on 127.0.0.1:", of: hostd.errors)
            let port = try #require(line.firstMatch(of: /listening on 127\.0\.0\.1:(\d+)/).flatMap { Int($0.1) })
            let health = try await get("http://127.0.0.1:\(port)/health")
            #expect(health.status == .ok)
            #expect(try JSON.parse(health.body)["status"].text == "ok")
            let metrics = try await get("http://127.0.0.1:\(port)/metrics")
            #expect(metrics.status == .ok)
            let done = "hostd_deliveries_total{outcome=\"done\",plugin=\"omb\",queue=\"ombout\",site=\"demo\"} 5"
            #expect(metrics.body.contains(done), "\(metrics.body)")
            for name in ["hostd_delivery_seconds_bucket", "hostd_generation", "hostd_process_resident_bytes"] {
                #expect(metrics.body.contains(name))
            }
            #expect(!metrics.body.contains("postnotice"), "a metric is labelled by target")
            let page = try await get("http://127.0.0.1:\(port)/")
            #expect(page.status == .ok)
            #expect(page.body.contains("ombout"))
            #expect(try await installation.stop() == .status(0))
            #expect(installation.processes().isEmpty)
        }

        private func get(_ url: String) async throws -> (status: HTTPResponseStatus, body: String) {
            let response = try await HTTPClient.shared.execute(HTTPClientRequest(url: url), timeout: .seconds(20))
            return (response.status, String(buffer: try await response.body.collect(upTo: 1 << 20)))
        }
    }
}
