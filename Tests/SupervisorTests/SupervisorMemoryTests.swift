// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import QueueCore
import TestSupport
import Testing

@testable import Supervisor

/// Workers that grow, or are too large from the start.
@Suite struct SupervisorMemoryTests {
    private static let config = Fleet.config.replacing(
        "workers: { count: 2, canary: 0s }",
        with: "workers: { count: 2, canary: 0s, memory_limit: 100MiB }"
    )

    @Test(
        "Past the soft limit a worker is replaced: the fresh one is ready before it drains, its neighbour isn't touched"
    )
    func soft() async throws {
        let memory = FakeMemory()
        let fleet = try Fleet(config: Self.config, memory: memory)
        try await fleet.waitForWorkers(2)
        let old = try #require(fleet.lines("omb-0", "ready").first?.pid)
        memory.set(95, of: old)
        fleet.inbox.put(.memoryDue)
        let drained = try await fleet.wait("omb-0", "drained")
        #expect(drained.map(\.pid) == [old])
        let fresh = try #require(fleet.lines("omb-0", "ready").last?.pid)
        #expect(fresh != old)
        let lines = fleet.journal
        let ready = try #require(lines.firstIndex { $0.pid == fresh && $0.what == "ready" })
        let draining = try #require(lines.firstIndex { $0.pid == old && $0.what == "draining" })
        #expect(ready < draining)
        try await fleet.waitForWorkers(2)
        #expect(fleet.lines("omb-1", "started").count == 1)
        let metrics = await fleet.ask("metrics").result?.array ?? []
        #expect(!metrics.contains { $0["name"]?.string == "hostd_worker_deaths_total" })
        #expect(try await fleet.stop() == 0)
    }

    @Test("A worker with a queue for one worker per site ends before the fresh one begins")
    func singleton() async throws {
        let memory = FakeMemory()
        let plugins = FakePlugins(["omb": FakePlugins.descriptor(queues: ["ombout"], singletons: ["ombout"])])
        let fleet = try Fleet(config: Self.config, plugins: plugins, memory: memory)
        try await fleet.waitForWorkers(1)
        let old = try #require(fleet.lines("omb-0", "ready").first?.pid)
        memory.set(95, of: old)
        fleet.inbox.put(.memoryDue)
        try await fleet.wait("omb-0", "ready", count: 2)
        let lines = fleet.journal
        let drained = try #require(lines.firstIndex { $0.pid == old && $0.what == "drained" })
        let started = try #require(lines.firstIndex { $0.name == "omb-0" && $0.pid != old && $0.what == "started" })
        #expect(drained < started)
        #expect(try await fleet.stop() == 0)
    }

    @Test("Where the fresh one can't start, the large one goes on")
    func cannotStart() async throws {
        let memory = FakeMemory()
        let fleet = try Fleet(config: Self.config, memory: memory)
        try await fleet.waitForWorkers(2)
        let old = try #require(fleet.lines("omb-0", "ready").first?.pid)
        try fleet.setMode("exit", of: "omb-0")
        memory.set(95, of: old)
        fleet.inbox.put(.memoryDue)
        try await fleet.wait("broker", "told")
        #expect(fleet.lines("omb-0", "draining").isEmpty)
        #expect(await fleet.readyWorkers().contains { $0["pid"]?.int == Int64(old) })
        #expect(try await fleet.stop() == 0)
    }

    @Test("Workers that grow again and again need a person, and status says so")
    func again() async throws {
        let memory = FakeMemory()
        let fleet = try Fleet(config: Self.config, memory: memory)
        try await fleet.waitForWorkers(2)
        for round in 1...3 {
            memory.set(101, of: try #require(fleet.lines("omb-0", "ready").last?.pid))
            fleet.inbox.put(.memoryDue)
            try await fleet.wait("omb-0", "ready", count: round + 1)
        }
        let needs = await fleet.ask("status").result?["needs"]?.array?.compactMap(\.string) ?? []
        #expect(needs.contains { $0.hasPrefix("Workers of omb grew past queue.softlimit") }, "\(needs)")
        #expect(try await fleet.stop() == 0)
    }

    @Test("Past the hard limit it is ended, and the broker hears why")
    func hard() async throws {
        let memory = FakeMemory()
        let fleet = try Fleet(config: Self.config, memory: memory)
        try await fleet.waitForWorkers(2)
        memory.set(101, of: try #require(fleet.lines("omb-0", "ready").first?.pid))
        fleet.inbox.put(.memoryDue)
        try await fleet.wait("omb-0", "ready", count: 2)
        let told = try await fleet.wait("broker", "told").map(\.what)
        #expect(told.contains { $0.contains("its memory was 101 MiB, past workers.memory_limit (100MiB)") }, "\(told)")
        #expect(try await fleet.stop() == 0)
    }

    @Test("All workers too large from the start: none is started twice, and hostd ends with status 75")
    func tooLarge() async throws {
        let fleet = try Fleet(config: Self.config, modes: ["worker": "large"])
        #expect(try await fleet.end() == 75)
        #expect(fleet.lines("omb-0", "started").count == 1 && fleet.lines("omb-1", "started").count == 1)
    }

    @Test("One plugin too large from the start: the others run, the reason is told, a changed limit tries again")
    func oneTooLarge() async throws {
        let plugins = FakePlugins([
            "omb": FakePlugins.descriptor(), "fat": FakePlugins.descriptor(queues: ["fat"]),
        ])
        let site = "server: alice.example\nplugins: { omb: {}, fat: {} }\n"
        let modes = ["fat-0": "large", "fat-1": "large"]
        let fleet = try Fleet(config: Self.config, sites: ["alice": site], modes: modes, plugins: plugins)
        try await fleet.waitForWorkers(2)
        try await eventually("the reason is told") {
            let rows = await fleet.ask("plugins").result?.array ?? []
            return rows.contains { $0["reason"]?.string?.contains("its memory is 99 MiB") == true }
        }
        #expect(fleet.lines("fat-0", "started").count == 1)
        for name in modes.keys { try fleet.setMode("", of: name) }
        try fleet.directory.write(Self.config.replacing("100MiB", with: "200MiB"), to: "hostd.yaml")
        #expect(await fleet.ask("update").result != nil)
        try await fleet.waitForWorkers(4)
        #expect(try await fleet.stop() == 0)
    }
}
