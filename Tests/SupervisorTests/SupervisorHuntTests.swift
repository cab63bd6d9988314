// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import TestSupport
import Testing

@testable import Supervisor

@Suite struct SupervisorHuntTests {
    @Test(
        "A plugin with suspects has one worker more, which is there again at once as often as it dies, and goes after them"
    )
    func hunter() async throws {
        let fleet = try Fleet(modes: ["broker": "hunt"])
        try await fleet.wait("omb-hunter", "ready")
        let configured = try #require(fleet.lines("omb-hunter", "configured").first?.what)
        #expect(configured.contains("\"isHunter\":true"))
        let workers = await fleet.processes().filter { $0["role"]?.string == "worker" }
        #expect(workers.count { $0["hunter"]?.bool == true } == 1)
        #expect(workers.count { $0["hunter"]?.bool == false } == 2)
        for round in 1...8 {
            let pid = try #require(try await fleet.wait("omb-hunter", "ready", count: round).last?.pid)
            #expect(kill(pid, SIGSEGV) == 0)
        }
        try await fleet.wait("omb-hunter", "ready", count: 9)
        // A new broker has none.
        try fleet.setMode("", of: "broker")
        #expect(kill(try #require(fleet.lines("broker", "started").last?.pid), SIGKILL) == 0)
        try await fleet.wait("omb-hunter", "drained")
        #expect(fleet.lines("omb-0", "started").count == 1 && fleet.lines("omb-1", "started").count == 1)
        #expect(try await fleet.stop() == 0)
    }

    @Test(
        "A plugin that dies while it opens one site has that one left shut; a hunter tries it again, and then all open it"
    )
    func siteOpening() async throws {
        let sites = ["alice": Fleet.site, "bob": "server: bob.example\nplugins:\n  omb: {}\n"]
        let fleet = try Fleet(sites: sites, modes: ["worker": "opening"])
        try await fleet.waitForWorkers(2)
        for worker in ["omb-0", "omb-1"] { #expect(fleet.lines(worker, "started").count == 2) }
        let rows = await fleet.ask("sites").result?.array ?? []
        let alice = try #require(rows.first { $0["nickname"]?.string == "alice" })
        #expect(alice["state"]?.string == "error")
        #expect(alice["error"]?.string?.contains("while it opened the site: signal 11 (Segmentation fault)") == true)
        #expect(rows.first { $0["nickname"]?.string == "bob" }?["state"]?.string == "open")
        // Dies of it, and costs the workers nothing.
        try await fleet.wait("omb-hunter", "started")
        try await eventually("the hunter leaves it shut") {
            fleet.lines("omb-hunter", "configured").contains { $0.what.contains("\"shutSites\":[\"alice\"]") }
        }
        // Mended.
        try fleet.setMode("", of: "omb-hunter")
        try await eventually("an update is taken") { await fleet.ask("update").error == nil }
        try await eventually("alice is open", within: .seconds(40)) {
            await fleet.ask("sites").result?.array?.allSatisfy { $0["state"]?.string == "open" } == true
        }
        for worker in ["omb-0", "omb-1"] {
            #expect(fleet.lines(worker, "started").count == 2)
            try await eventually("nothing is shut") {
                fleet.lines(worker, "configured").last?.what.contains("\"shutSites\":[]") == true
            }
        }
        #expect(try await fleet.stop() == 0)
    }

    @Test("A worker that isn't ready within workers.start_timeout is ended, and `plugins` says so")
    func startTimeout() async throws {
        let config = Fleet.config.replacing("count: 2", with: "count: 1, start_timeout: 1s")
        let fleet = try Fleet(config: config, modes: ["worker": "mute"])
        let told = try await fleet.wait("broker", "told").map(\.what)
        #expect(told.contains { $0.contains("not ready within 3s, so the supervisor ended it") })
        let row = await fleet.ask("plugins").result?.array?.first
        #expect(row?["reason"]?.string?.contains("its worker ends at its start: signal 9") == true)
        #expect(try await fleet.stop() == 0)
    }
}
