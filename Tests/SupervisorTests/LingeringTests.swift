// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import QueueCore
import TestSupport
import Testing

@testable import Supervisor

/// Workers that are in the way of a plan, or in its way again.
@Suite struct LingeringTests {
    private static let shared = Fleet.config.replacing("canary: 0s", with: "canary: 0s, isolate: group")
    private static let site = "server: alice.example\nplugins: { omb: {}, other: {} }\n"
    private static let both = [
        "omb": FakePlugins.descriptor(), "other": FakePlugins.descriptor(queues: ["other"]),
    ]

    /// Whose process works on until each of the new ones has said that it is ready.
    private func expectNoGap(_ fleet: Fleet, old: Set<Int32>) throws {
        let journal = fleet.journal
        for pid in old {
            let name = try #require(journal.first { $0.pid == pid }?.name)
            let drains = try #require(journal.firstIndex { $0.pid == pid && $0.what == "draining" })
            let ready = journal[..<drains].contains { line in
                line.what == "ready" && !old.contains(line.pid) && line.name.hasSuffix(String(name.suffix(2)))
            }
            #expect(ready, "\(name) drained before its successor was ready")
        }
    }

    @Test("A plugin that is enabled beside others in their process: the new process is ready before the old one drains")
    func enable() async throws {
        let fleet = try Fleet(config: Self.shared, plugins: FakePlugins(Self.both))
        try await fleet.waitForWorkers(2)
        let old = Set(fleet.lines("main-0", "started").map(\.pid) + fleet.lines("main-1", "started").map(\.pid))
        try fleet.directory.write(Self.site, to: "sites.d/alice.yaml")
        let text = await fleet.ask("update", ["site": .string("alice")]).result?["text"]?.string ?? ""
        #expect(text.hasPrefix("update alice: 2 plugins, 3 queues, "), "\(text)")
        #expect(text.hasSuffix("; 2 workers replaced, as plugins of a group share them"), "\(text)")
        try await fleet.wait("main-0", "drained")
        try await fleet.wait("main-1", "drained")
        try expectNoGap(fleet, old: old)
        try await fleet.waitForWorkers(2)

        // And without it again.
        let later = Set(fleet.lines("main-0", "started").map(\.pid) + fleet.lines("main-1", "started").map(\.pid))
        try fleet.directory.write(Fleet.site, to: "sites.d/alice.yaml")
        #expect(await fleet.ask("update", ["site": .string("alice")]).result != nil)
        try await fleet.wait("main-0", "drained", count: 2)
        try await fleet.wait("main-1", "drained", count: 2)
        try expectNoGap(fleet, old: later.subtracting(old))
        try await fleet.waitForWorkers(2)
        #expect(try await fleet.stop() == 0)
    }

    @Test("Where the new process can't start the old one works on, and hears of what concerns it")
    func cannotStart() async throws {
        let fleet = try Fleet(config: Self.shared, plugins: FakePlugins(Self.both))
        try await fleet.waitForWorkers(2)
        for name in ["main-0", "main-1"] { try fleet.setMode("crash", of: name) }
        try fleet.directory.write(Self.site, to: "sites.d/alice.yaml")
        let error = await fleet.ask("update", ["site": .string("alice")]).error
        #expect(error?.contains("worker main/") == true, "\(error ?? "")")
        #expect(await fleet.readyWorkers().count == 2)
        try fleet.directory.write(Self.site.replacing("alice.", with: "renamed."), to: "sites.d/alice.yaml")
        _ = await fleet.ask("update", ["site": .string("alice")])
        for name in ["main-0", "main-1"] {
            let old = try #require(fleet.lines(name, "started").first?.pid)
            try await eventually("\(name) hears of it") {
                fleet.journal.contains {
                    $0.pid == old && $0.what.hasPrefix("configured") && $0.what.contains("renamed.example")
                }
            }
            #expect(!fleet.journal.contains { $0.pid == old && $0.what == "draining" })
        }
        for name in ["main-0", "main-1"] { try fleet.setMode("", of: name) }
        try await fleet.wait("main-0", "drained")
        try await fleet.wait("main-1", "drained")
        try await fleet.waitForWorkers(2)
        #expect(try await fleet.stop() == 0)
    }

    @Test("Another `workers.isolate` is taken over to without a gap")
    func isolate() async throws {
        let fleet = try Fleet(
            sites: ["alice": Self.site],
            plugins: FakePlugins(Self.both)
        )
        try await fleet.waitForWorkers(4)
        let old = Set(fleet.journal.filter { $0.what == "started" && $0.name != "broker" }.map(\.pid))
        try fleet.directory.write(Self.shared, to: "hostd.yaml")
        #expect(await fleet.ask("update").result != nil)
        try await fleet.waitForWorkers(2)
        for name in ["omb-0", "omb-1", "other-0", "other-1"] { try await fleet.wait(name, "drained") }
        try expectNoGap(fleet, old: old)
        #expect(try await fleet.stop() == 0)
    }

    @Test("A worker that is wanted again while it drains is started again when it has gone")
    func wantedAgain() async throws {
        let fleet = try Fleet(modes: ["omb-1": "stubborn"])
        try await fleet.waitForWorkers(2)
        let old = try #require(fleet.lines("omb-1", "started").first?.pid)
        try fleet.directory.write(Fleet.config.replacing("count: 2", with: "count: 1"), to: "hostd.yaml")
        #expect(await fleet.ask("update").result != nil)
        try await fleet.wait("omb-1", "draining")
        try fleet.directory.write(Fleet.config, to: "hostd.yaml")
        #expect(await fleet.ask("update").result != nil)
        try fleet.setMode("", of: "omb-1")
        #expect(kill(old, SIGKILL) == 0)
        try await fleet.wait("omb-1", "ready", count: 2)
        try await fleet.waitForWorkers(2)
        #expect(try await fleet.stop() == 0)
    }
}
