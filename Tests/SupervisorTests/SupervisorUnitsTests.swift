// SPDX-License-Identifier: Apache-2.0
import Control
import QueueCore
import TestSupport
import Testing

@testable import Supervisor

/// Breakout entries and shared processes, with children that are told of them.
@Suite struct SupervisorUnitsTests {
    @Test("A breakout entry that a reload brings has its own workers; the others stay and are told of it")
    func breakout() async throws {
        let fleet = try Fleet()
        try await fleet.waitForWorkers(2)
        let config = Fleet.config.replacing("queue: { ", with: "queue: { breakout: [main/ombout/alice], ")
        try fleet.directory.write(config, to: "hostd.yaml")
        #expect(await fleet.ask("update").result != nil)
        try await fleet.waitForWorkers(4)
        let groups = await fleet.readyWorkers().compactMap { $0["group"]?.string }.sorted()
        #expect(groups == ["main", "main", "main/ombout/alice", "main/ombout/alice"])
        #expect(fleet.lines("omb-0", "started").count == 1 && fleet.lines("omb-0", "configured").count == 2)
        #expect(fleet.lines("omb-main-ombout-alice-1", "ready").count == 1)
        try fleet.directory.write(Fleet.config, to: "hostd.yaml")
        #expect(await fleet.ask("update").result != nil)
        try await fleet.wait("omb-main-ombout-alice-0", "drained")
        try await fleet.waitForWorkers(2)
        #expect(try await fleet.stop() == 0)
    }

    @Test("Plugins that share a process roll together: the new one is ready, then the old one drains, once")
    func sharedRollout() async throws {
        let config = Fleet.config.replacing(
            "workers: { count: 2, canary: 0s }",
            with: "workers: { count: 1, canary: 0s, isolate: group }"
        )
        let site = "server: alice.example\nplugins: { omb: {}, other: {} }\n"
        let plugins = FakePlugins([
            "omb": FakePlugins.descriptor(), "other": FakePlugins.descriptor(queues: ["other"]),
        ])
        let fleet = try Fleet(config: config, sites: ["alice": site], plugins: plugins)
        try await fleet.waitForWorkers(1)
        #expect(await fleet.readyWorkers().first?["plugin"]?.string == "omb,other")
        let reply = await fleet.ask("restart")
        #expect(reply.error == nil, "\(reply)")
        try await fleet.wait("main-0", "drained")
        try await fleet.waitForWorkers(1)
        #expect(fleet.lines("main-0", "started").count == 2)
        let rows = await fleet.ask("plugins").result?.array ?? []
        #expect(rows.allSatisfy { $0["workers"]?.int == 1 })
        try fleet.setMode("crash", of: "main-0")
        #expect(await fleet.ask("restart").error?.contains("signal 11") == true)
        try await fleet.waitForWorkers(1)
        #expect(try await fleet.stop() == 0)
    }
}
