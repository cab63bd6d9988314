// SPDX-License-Identifier: Apache-2.0
import Control
import QueueCore
import TestSupport
import Testing

@testable import Supervisor

/// What happens to a roll-out on its way: a newer file, another configuration.
@Suite struct SupersedeTests {
    private static func config(canary: String, count: Int = 2) -> String {
        Fleet.config.replacing("count: 2, canary: 0s", with: "count: \(count), canary: \(canary)")
    }

    private static let singleton = FakePlugins.descriptor(queues: ["omb"], singletons: ["omb"])

    private func plugin(_ fleet: Fleet) async -> JSONValue? { await fleet.ask("plugins").result?.array?.first }

    private func install(
        _ version: String,
        _ descriptor: PluginDescriptor = FakePlugins.descriptor(),
        on fleet: Fleet
    )
        async throws
    {
        var descriptor = descriptor
        descriptor.version = version
        await fleet.plugins.set(["omb": descriptor])
        try fleet.touchPlugins()
    }

    private func canary(of fleet: Fleet) async throws {
        try await eventually("the canary") { await plugin(fleet)?["rollout"]?.string == "canary" }
    }

    /// Of this version a worker has its configuration.
    private func started(_ version: String, _ name: String = "omb-0", on fleet: Fleet) async throws {
        try await eventually("\(name) of \(version)") {
            fleet.lines(name, "configured").contains { $0.what.contains("omb-\(version).so") }
        }
    }

    private func generation(_ number: Int64, _ workers: Int = 2, of fleet: Fleet) async throws {
        try await eventually("generation \(number) alone") {
            let all = await fleet.processes().filter { $0["role"]?.string == "worker" }
            return all.count == workers
                && all.allSatisfy { $0["generation"]?.int == number && $0["state"]?.string == "ready" }
        }
    }

    @Test("A newer file ends a canary at once and is the next one; who waits for a restart waits for it")
    func newer() async throws {
        let fleet = try Fleet(config: Self.config(canary: "1h"))
        try await fleet.waitForWorkers(2)
        await fleet.plugins.set(["omb": FakePlugins.descriptor(version: "2.0")])
        async let restart = fleet.ask("restart")
        try await canary(of: fleet)
        try fleet.setOutcomes(done: 200, failed: 0, of: "omb-0", generation: 3)
        try await install("3.0", on: fleet)
        let reply = await restart
        #expect(reply.result?["text"]?.string?.hasPrefix("restart: omb is generation 3, ") == true, "\(reply)")
        try await generation(3, of: fleet)
        #expect(await plugin(fleet)?["version"]?.string == "3.0")
        #expect(await plugin(fleet)?["reason"] == .null)
        // Of the second version nothing but the canary ever ran.
        #expect(fleet.journal.filter { $0.what.hasPrefix("configured") && $0.what.contains("omb-2.0.so") }.count == 1)
        #expect(try await fleet.stop() == 0)
    }

    @Test("The old file put back ends a canary, and the old workers never stopped")
    func putBack() async throws {
        let fleet = try Fleet(config: Self.config(canary: "1h"))
        try await fleet.waitForWorkers(2)
        try await install("2.0", on: fleet)
        try await canary(of: fleet)
        try await install("1.0", on: fleet)
        try await generation(1, of: fleet)
        #expect(await plugin(fleet)?["rollout"] == .null)
        #expect(await plugin(fleet)?["reason"] == .null)
        #expect(fleet.lines("omb-0", "started").count == 2 && fleet.lines("omb-1", "started").count == 1)
        #expect(try await fleet.stop() == 0)
    }

    @Test("A newer file that can't be loaded leaves the canary alone")
    func newerIsBad() async throws {
        let fleet = try Fleet(config: Self.config(canary: "1h"))
        try await fleet.waitForWorkers(2)
        try await install("2.0", on: fleet)
        try await canary(of: fleet)
        let looks = await fleet.plugins.looks
        let entry = PluginCatalog.Entry(
            file: "omb.so",
            name: PluginName(unchecked: "omb"),
            verdict: .refused(reason: "format: no ELF header")
        )
        await fleet.plugins.set(PluginCatalog(entries: [entry]))
        try fleet.touchPlugins()
        try await eventually("a look") { await fleet.plugins.looks > looks }
        try fleet.setOutcomes(done: 200, failed: 0, of: "omb-0", generation: 2)
        try await generation(2, of: fleet)
        #expect(try await fleet.stop() == 0)
    }

    @Test("A singleton's new code that is being watched gives way too; if the newest fails, the first is back")
    func singleton() async throws {
        let fleet = try Fleet(config: Self.config(canary: "1h"), plugins: FakePlugins(["omb": Self.singleton]))
        try await fleet.waitForWorkers(1)
        try await install("2.0", Self.singleton, on: fleet)
        try await eventually("the watch") { await plugin(fleet)?["rollout"]?.string == "canary" }
        try fleet.setMode("crash", of: "omb-0")
        try await install("3.0", Self.singleton, on: fleet)
        try await started("3.0", on: fleet)
        try fleet.setMode("", of: "omb-0")
        try await eventually("it is undone") {
            await plugin(fleet)?["reason"]?.string == "the old code goes on: signal 11 (Segmentation fault)"
        }
        try await fleet.waitForWorkers(1)
        #expect(await plugin(fleet)?["version"]?.string == "1.0")
        #expect(fleet.lines("omb-0", "configured").last?.what.contains("omb-1.0.so") == true)
        #expect(try await fleet.stop() == 0)
    }

    @Test("With plugins that share a process a newer file of one starts the canary of all anew")
    func shared() async throws {
        let config = Self.config(canary: "1h, isolate: group")
        let site = "server: alice.example\nplugins: { omb: {}, other: {} }\n"
        let other = FakePlugins.descriptor(queues: ["other"])
        let plugins = FakePlugins(["omb": FakePlugins.descriptor(), "other": other])
        let fleet = try Fleet(config: config, sites: ["alice": site], plugins: plugins)
        try await fleet.waitForWorkers(2)
        await plugins.set(["omb": FakePlugins.descriptor(version: "2.0"), "other": other])
        try fleet.touchPlugins()
        try await canary(of: fleet)
        var next = other
        next.version = "2.0"
        await plugins.set(["omb": FakePlugins.descriptor(version: "2.0"), "other": next])
        try fleet.touchPlugins()
        try await started("2.0", "main-0", on: fleet)
        try await eventually("a canary of both") {
            fleet.lines("main-0", "configured").contains {
                $0.what.contains("omb-2.0.so") && $0.what.contains("other-2.0.so")
            }
        }
        for generation in 1...8 { try fleet.setOutcomes(done: 200, failed: 0, of: "main-0", generation: generation) }
        try await eventually("both are new, and nothing rolls") {
            let rows = await fleet.ask("plugins").result?.array ?? []
            return rows.count == 2 && rows.allSatisfy { $0["version"]?.string == "2.0" && $0["rollout"] == .null }
        }
        try await fleet.waitForWorkers(2)
        #expect(try await fleet.stop() == 0)
    }

    @Test("An update that takes workers away lets a roll-out that waits for one of them go on")
    func fewerWorkers() async throws {
        let fleet = try Fleet(config: Self.config(canary: "0s", count: 3))
        try await fleet.waitForWorkers(3)
        try fleet.setMode("mute", of: "omb-2")
        await fleet.plugins.set(["omb": FakePlugins.descriptor(version: "2.0")])
        async let restart = fleet.ask("restart")
        try await fleet.wait("omb-2", "mute")
        try await eventually("the others") { await fleet.readyWorkers().count == 5 }
        try fleet.directory.write(Self.config(canary: "0s", count: 2), to: "hostd.yaml")
        #expect(await fleet.ask("update").result != nil)
        let reply = await restart
        #expect(reply.result?["text"]?.string?.hasPrefix("restart: omb is generation 2, ") == true, "\(reply)")
        #expect(await plugin(fleet)?["version"]?.string == "2.0")
        // The one that hangs is ended with the stop.
        fleet.inbox.put(.signal(15))
        #expect(try await fleet.stop() == 0)
    }

    @Test("An update that takes the canary away has another one watched; the roll-out isn't undone")
    func otherCanary() async throws {
        let fleet = try Fleet(config: Self.config(canary: "1h"))
        try await fleet.waitForWorkers(2)
        try await install("2.0", on: fleet)
        try await canary(of: fleet)
        // Another kind of process: every slot is another one.
        try fleet.directory.write(Self.config(canary: "1h, isolate: group"), to: "hostd.yaml")
        #expect(await fleet.ask("update").result != nil)
        try await started("2.0", "main-0", on: fleet)
        #expect(await plugin(fleet)?["reason"] == .null)
        try fleet.setOutcomes(done: 200, failed: 0, of: "main-0", generation: 2)
        try await generation(2, of: fleet)
        #expect(await plugin(fleet)?["version"]?.string == "2.0")
        #expect(try await fleet.stop() == 0)
    }
}
