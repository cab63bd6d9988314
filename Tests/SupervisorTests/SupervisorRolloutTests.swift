// SPDX-License-Identifier: Apache-2.0
import Control
import Foundation
import Glibc
import QueueCore
import TestSupport
import Testing

@testable import Supervisor

/// New generations by real processes: changed files, canaries, singletons.
@Suite struct SupervisorRolloutTests {
    private static func canary(_ time: String) -> String {
        Fleet.config.replacingOccurrences(of: "canary: 0s", with: "canary: \(time)")
    }

    private static let singleton = FakePlugins.descriptor(queues: ["omb"], singletons: ["omb"])

    private func plugin(_ fleet: Fleet) async -> JSONValue? { await fleet.ask("plugins").result?.array?.first }

    private func oldWorkers(_ fleet: Fleet) async -> Set<Int64> {
        await Set(fleet.readyWorkers().compactMap { $0["pid"]?.int })
    }

    private func generation(_ number: Int64, of fleet: Fleet) async throws {
        try await eventually("generation \(number) alone") {
            let workers = await fleet.processes().filter { $0["role"]?.string == "worker" }
            return workers.count == 2
                && workers.allSatisfy { $0["generation"]?.int == number && $0["state"]?.string == "ready" }
        }
    }

    // MARK: Files

    @Test("A changed file in plugins.d starts a new generation; the same file again starts none")
    func changedFile() async throws {
        let fleet = try Fleet()
        try await fleet.waitForWorkers(2)
        await fleet.plugins.set(["omb": FakePlugins.descriptor(version: "2.0")])
        try fleet.touchPlugins()
        try await generation(2, of: fleet)
        #expect(await plugin(fleet)?["version"]?.string == "2.0")
        try fleet.touchPlugins()
        // The next change is looked at after that one.
        await fleet.plugins.set(["omb": FakePlugins.descriptor(version: "3.0")])
        try fleet.touchPlugins()
        try await generation(3, of: fleet)
        #expect(try await fleet.stop() == 0)
    }

    @Test("A plugin that sites wait for starts when its file comes; its file may go again, the workers stay")
    func newAndRemoved() async throws {
        let fleet = try Fleet(plugins: FakePlugins([:]))
        try await eventually("it answers") { await fleet.ask("ping").result != nil }
        await fleet.plugins.set(["omb": FakePlugins.descriptor()])
        try fleet.touchPlugins()
        try await fleet.waitForWorkers(2)
        await fleet.plugins.set([String: PluginDescriptor]())
        #expect(unlink(fleet.directory.file("plugins.d/omb.so")) == 0)
        try await eventually("it is said") {
            await plugin(fleet)?["reason"]?.string == "the old code goes on: there is no omb.so in plugins.d"
        }
        #expect(await plugin(fleet)?["state"]?.string == "loaded")
        #expect(await fleet.readyWorkers().count == 2)
        #expect(fleet.lines("omb-0", "started").count == 1)
        #expect(try await fleet.stop() == 0)
    }

    @Test(
        "A new version that wants a key that no site sets doesn't run; the old one does, and the reason names the key"
    )
    func missingKey() async throws {
        let fleet = try Fleet()
        try await fleet.waitForWorkers(2)
        let key = ConfigKey(name: "token", kind: .string, isRequired: true)
        await fleet.plugins.set(["omb": FakePlugins.descriptor(version: "2.0", keys: [key])])
        try fleet.touchPlugins()
        try await eventually("the reason") {
            await plugin(fleet)?["reason"]?.string?.hasPrefix("the old code goes on: ") == true
        }
        #expect(await plugin(fleet)?["reason"]?.string?.contains("token") == true)
        #expect(await plugin(fleet)?["version"]?.string == "1.0")
        #expect(await fleet.ask("update").result != nil, "what runs goes with the configuration")
        #expect(try await fleet.stop() == 0)
    }

    @Test("Generations go on counting over a restart of hostd")
    func generationsGoOn() async throws {
        let first = try Fleet()
        try await first.waitForWorkers(2)
        #expect(await first.ask("restart").result != nil)
        #expect(try await first.stop() == 0)
        let config = Fleet.config.replacingOccurrences(
            of: "state_dir: var",
            with: "state_dir: \(first.directory.file("var"))"
        )
        let next = try Fleet(config: config)
        try await generation(3, of: next)
        #expect(try await next.stop() == 0)
    }

    // MARK: The canary

    @Test("The canary runs alone beside the old workers, then the rest follow")
    func canaryPasses() async throws {
        let fleet = try Fleet(config: Self.canary("50ms"))
        try await fleet.waitForWorkers(2)
        await fleet.plugins.set(["omb": FakePlugins.descriptor(version: "2.0")])
        #expect(await fleet.ask("restart").result?["text"]?.string?.hasPrefix("restart: omb is generation 2") == true)
        let canary = try #require(fleet.journal.lastIndex { $0.name == "omb-0" && $0.what == "ready" })
        let rest = try #require(fleet.journal.lastIndex { $0.name == "omb-1" && $0.what == "started" })
        #expect(canary < rest)
        let drains = try await fleet.wait("omb-0", "draining")
        #expect(drains.count == 1)
        #expect(try #require(fleet.position(of: "omb-0", "draining")) > rest)
        try await generation(2, of: fleet)
        #expect(try await fleet.stop() == 0)
    }

    @Test("So many good deliveries end the canary's time early")
    func canaryHasEnough() async throws {
        let fleet = try Fleet(config: Self.canary("1h"))
        try await fleet.waitForWorkers(2)
        try fleet.setOutcomes(done: 200, failed: 0, of: "omb-0", generation: 2)
        await fleet.plugins.set(["omb": FakePlugins.descriptor(version: "2.0")])
        #expect(await fleet.ask("restart").result != nil)
        try await generation(2, of: fleet)
        #expect(try await fleet.stop() == 0)
    }

    @Test("A canary that fails clearly more often is dropped, and isn't tried again before it is asked for")
    func canaryFails() async throws {
        let fleet = try Fleet(config: Self.canary("1h"))
        try await fleet.waitForWorkers(2)
        let before = await oldWorkers(fleet)
        for name in ["omb-0", "omb-1"] { try fleet.setOutcomes(done: 500, failed: 5, of: name, generation: 1) }
        try fleet.setOutcomes(done: 0, failed: 30, of: "omb-0", generation: 2)
        // What the old ones did before counts where they have nothing to do now: let the supervisor know of it.
        fleet.inbox.put(.beat)
        try await eventually("the old workers' pongs") {
            await fleet.readyWorkers().allSatisfy { $0["in_flight"]?.int == 7 }
        }
        await fleet.plugins.set(["omb": FakePlugins.descriptor(version: "2.0")])
        try fleet.touchPlugins()
        let why = "the old code goes on: queue omb: 30 of 30 deliveries failed, of the old code's 10 of 1010"
        try await eventually("it is undone") { await plugin(fleet)?["reason"]?.string == why }
        try await eventually("only the old workers") { await oldWorkers(fleet) == before }
        #expect(await plugin(fleet)?["version"]?.string == "1.0")
        // The same bad file again, then another one that is good: the bad one was passed over.
        try fleet.touchPlugins()
        try await eventually("a look") { await fleet.plugins.looks >= 3 }
        try fleet.setOutcomes(done: 500, failed: 0, of: "omb-0", generation: 3)
        await fleet.plugins.set(["omb": FakePlugins.descriptor(version: "2.1")])
        try fleet.touchPlugins()
        try await generation(3, of: fleet)
        #expect(await plugin(fleet)?["reason"] == .null)
        #expect(try await fleet.stop() == 0)
    }

    @Test("A restart tries a file again that was undone")
    func triedAgain() async throws {
        let fleet = try Fleet(config: Self.canary("50ms"))
        try await fleet.waitForWorkers(2)
        try fleet.setMode("crash", of: "omb-0")
        await fleet.plugins.set(["omb": FakePlugins.descriptor(version: "2.0")])
        try fleet.touchPlugins()
        try await eventually("it is undone") {
            await plugin(fleet)?["reason"]?.string == "the old code goes on: signal 11 (Segmentation fault)"
        }
        try fleet.setMode("", of: "omb-0")
        #expect(await fleet.ask("restart").result != nil)
        #expect(await plugin(fleet)?["version"]?.string == "2.0")
        #expect(try await fleet.stop() == 0)
    }

    @Test("A canary that can't open a site is dropped; a site that was closed before is no reason")
    func sites() async throws {
        let fleet = try Fleet(config: Self.canary("50ms"))
        try await fleet.waitForWorkers(2)
        try fleet.setMode("badsite", of: "omb-0")
        await fleet.plugins.set(["omb": FakePlugins.descriptor(version: "2.0")])
        #expect(await fleet.ask("restart").error?.contains("omb: site alice can't be opened: no key") == true)
        #expect(await plugin(fleet)?["version"]?.string == "1.0")
        #expect(try await fleet.stop() == 0)

        let broken = try Fleet(config: Self.canary("50ms"), modes: ["worker": "badsite"])
        try await broken.waitForWorkers(2)
        await broken.plugins.set(["omb": FakePlugins.descriptor(version: "2.0")])
        #expect(await broken.ask("restart").result != nil)
        #expect(try await broken.stop() == 0)
    }

    @Test("An update during a canary doesn't wait for it; a restart does")
    func updateMeanwhile() async throws {
        let fleet = try Fleet(config: Self.canary("1h"))
        try await fleet.waitForWorkers(2)
        await fleet.plugins.set(["omb": FakePlugins.descriptor(version: "2.0")])
        async let restart = fleet.ask("restart")
        try await eventually("the canary") { await plugin(fleet)?["rollout"]?.string == "canary" }
        try fleet.directory.write("server: other.example\nplugins:\n  omb: {}\n", to: "sites.d/alice.yaml")
        #expect(await fleet.ask("update", ["site": .string("alice")]).result != nil)
        // All three have it: two old ones and the canary.
        #expect(fleet.journal.filter { $0.name.hasPrefix("omb") && $0.what.contains("other.example") }.count == 3)
        try fleet.setOutcomes(done: 200, failed: 0, of: "omb-0", generation: 2)
        #expect(await restart.result != nil)
        #expect(try await fleet.stop() == 0)
    }

    // MARK: Singletons

    @Test("A singleton's new worker starts when the old one has gone")
    func singleton() async throws {
        let fleet = try Fleet(config: Self.canary("50ms"), plugins: FakePlugins(["omb": Self.singleton]))
        try await fleet.waitForWorkers(1)
        var next = Self.singleton
        next.version = "2.0"
        await fleet.plugins.set(["omb": next])
        #expect(await fleet.ask("restart").result != nil)
        let what = fleet.journal.filter { $0.name == "omb-0" }.map { String($0.what.prefix { $0 != " " }) }
        #expect(what == ["started", "configured", "ready", "draining", "drained", "started", "configured", "ready"])
        #expect(try await fleet.stop() == 0)
    }

    @Test("A singleton's new worker that can't work brings the old code back", arguments: ["crash", "badsite"])
    func singletonFails(_ mode: String) async throws {
        let fleet = try Fleet(config: Self.canary("50ms"), plugins: FakePlugins(["omb": Self.singleton]))
        try await fleet.waitForWorkers(1)
        try fleet.setMode(mode, of: "omb-0")
        var next = Self.singleton
        next.version = "2.0"
        await fleet.plugins.set(["omb": next])
        async let error = fleet.ask("restart").error
        try await fleet.wait("omb-0", "configured", count: 2)
        try fleet.setMode("", of: "omb-0")
        #expect(await error?.contains("the old code goes on: omb: ") == true)
        try await fleet.waitForWorkers(1)
        #expect(fleet.lines("omb-0", "configured").last?.what.contains("omb-1.0.so") == true)
        #expect(await plugin(fleet)?["version"]?.string == "1.0")
        #expect(try await fleet.stop() == 0)
    }
}
