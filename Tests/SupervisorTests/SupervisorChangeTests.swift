// SPDX-License-Identifier: Apache-2.0
import Control
import Foundation
import Glibc
import QueueCore
import TestSupport
import Testing

@testable import Supervisor

@Suite struct SupervisorChangeTests {
    @Test("Update tells workers and broker of a changed site, and says what it did")
    func update() async throws {
        let fleet = try Fleet()
        try await fleet.waitForWorkers(2)
        try fleet.directory.write(
            Fleet.site.replacingOccurrences(of: "alice.example", with: "other.example"),
            to: "sites.d/alice.yaml"
        )
        let reply = await fleet.ask("update", ["site": .string("alice")])
        let text = try #require(reply.result?["text"]?.string)
        #expect(text.hasPrefix("update alice: 1 plugin, 2 queues, "))
        for child in ["broker", "omb-0", "omb-1"] {
            #expect(fleet.lines(child, "configured").last?.what.contains("other.example") == true, "\(child)")
        }
        #expect(try await fleet.stop() == 0)
    }

    @Test("The same configuration read twice tells nobody anything")
    func sameAgain() async throws {
        let fleet = try Fleet()
        try await fleet.waitForWorkers(2)
        for _ in 0..<3 { #expect(await fleet.ask("update").result != nil) }
        fleet.inbox.put(.signal(SIGHUP))
        #expect(await fleet.ask("update").result != nil)
        for child in ["broker", "omb-0", "omb-1"] { #expect(fleet.lines(child, "configured").count == 1) }
        #expect(try await fleet.stop() == 0)
    }

    @Test(
        "A bad file keeps the old configuration in force, and the answer names it",
        arguments: [
            "server: [\n", "server: alice.example\nplugin: {}\n",
            "server: alice.example\nplugins: { omb: { colour: 1 } }\n",
        ]
    )
    func badFile(text: String) async throws {
        let fleet = try Fleet()
        try await fleet.waitForWorkers(2)
        let file = try fleet.directory.write(text, to: "sites.d/alice.yaml")
        let error = try #require(await fleet.ask("update", ["site": .string("alice")]).error)
        #expect(error.hasPrefix(file + ":"))
        let sites = await fleet.ask("sites").result?.array
        #expect(sites?.first?["server"]?.string == "alice.example")
        #expect(sites?.first?["state"]?.string == "error")
        #expect(sites?.first?["error"]?.string?.hasPrefix(file) == true)
        for child in ["broker", "omb-0"] { #expect(fleet.lines(child, "configured").count == 1) }
        try fleet.directory.write(Fleet.site, to: "sites.d/alice.yaml")
        #expect(await fleet.ask("update").result != nil)
        #expect(await fleet.ask("sites").result?.array?.first?["state"]?.string == "open")
        #expect(try await fleet.stop() == 0)
    }

    @Test("A site that is nowhere is an error; one that was removed is not")
    func unknownSite() async throws {
        let fleet = try Fleet()
        try await fleet.waitForWorkers(2)
        #expect(await fleet.ask("update", ["site": .string("bob")]).error?.contains("no site bob") == true)
        #expect(unlink(fleet.directory.file("sites.d/alice.yaml")) == 0)
        let reply = await fleet.ask("update", ["site": .string("alice")])
        #expect(reply.result?["text"]?.string?.hasPrefix("update alice: the site is gone; its items wait") == true)
        try await fleet.wait("omb-0", "drained")
        try await fleet.wait("omb-1", "drained")
        try await fleet.waitForWorkers(0)
        #expect(try await fleet.stop() == 0)
    }

    @Test("A plugin that a site enables by an update gets its workers, one that it gives up loses them")
    func enableAndDisable() async throws {
        let both = FakePlugins([
            "omb": FakePlugins.descriptor(), "other": FakePlugins.descriptor(queues: ["other"], singletons: ["other"]),
        ])
        let fleet = try Fleet(plugins: both)
        try await fleet.waitForWorkers(2)
        #expect(fleet.lines("other-0", "started").isEmpty)
        try fleet.directory.write("server: a.example\nplugins: { other: {} }\n", to: "sites.d/alice.yaml")
        #expect(await fleet.ask("update", ["site": .string("alice")]).result != nil)
        try await fleet.wait("other-0", "ready")
        try await fleet.wait("omb-0", "drained")
        try await fleet.wait("omb-1", "drained")
        #expect(fleet.lines("other-1", "started").isEmpty, "a queue for one worker gets one")
        #expect(try await fleet.stop() == 0)
    }

    @Test("Restart: the new generation is ready before the old one drains; the broker learns of its queues")
    func restart() async throws {
        let fleet = try Fleet()
        try await fleet.waitForWorkers(2)
        await fleet.plugins.set(["omb": FakePlugins.descriptor(version: "2.0", queues: ["omb", "ombnew"])])
        let reply = await fleet.ask("restart")
        #expect(reply.result?["text"]?.string?.hasPrefix("restart: omb is generation 2, ") == true, "\(reply)")
        for worker in ["omb-0", "omb-1"] {
            try await fleet.wait(worker, "drained")
            let old = try #require(fleet.lines(worker, "started").first?.pid)
            let drains = try #require(fleet.journal.firstIndex { $0.pid == old && $0.what == "draining" })
            let ready = fleet.journal.indices.filter {
                fleet.journal[$0].what == "ready" && fleet.journal[$0].pid != old
            }
            #expect(ready.filter { $0 < drains }.count >= 2, "broker and both new workers at least")
            #expect(fleet.lines(worker, "configured").last?.what.contains("omb-2.0.so") == true)
        }
        try await eventually("the broker knows the new queue") {
            fleet.lines("broker", "configured").last?.what.contains("ombnew") == true
        }
        try await fleet.waitForWorkers(2)
        let plugin = await fleet.ask("plugins").result?.array?.first
        #expect(plugin?["generation"]?.int == 2 && plugin?["version"]?.string == "2.0")
        #expect(try await fleet.stop() == 0)
    }

    @Test("A new generation that can't start is undone: the old one goes on, and everybody is told why")
    func undone() async throws {
        let fleet = try Fleet()
        try await fleet.waitForWorkers(2)
        let before = await Set(fleet.readyWorkers().compactMap { $0["pid"]?.int })
        try fleet.setMode("crash", of: "omb-1")
        await fleet.plugins.set(["omb": FakePlugins.descriptor(version: "2.0")])
        let error = try #require(await fleet.ask("restart").error)
        #expect(error.contains("omb: signal 11 (Segmentation fault)"))
        try await eventually("only the old workers") {
            await Set(fleet.processes().filter { $0["role"]?.string == "worker" }.compactMap { $0["pid"]?.int })
                == before
        }
        let plugin = await fleet.ask("plugins").result?.array?.first
        #expect(plugin?["state"]?.string == "loaded" && plugin?["generation"]?.int == 1)
        #expect(plugin?["version"]?.string == "1.0")
        #expect(plugin?["reason"]?.string?.contains("Segmentation fault") == true)
        try fleet.setMode("", of: "omb-1")
        #expect(await fleet.ask("restart").result != nil)
        #expect(await fleet.ask("plugins").result?.array?.first?["reason"] == .null)
        #expect(try await fleet.stop() == 0)
    }

    @Test("A file that can't be loaded at a restart leaves the running code as it is")
    func refusedFile() async throws {
        let fleet = try Fleet()
        try await fleet.waitForWorkers(2)
        await fleet.plugins.set(
            PluginCatalog(entries: [
                PluginCatalog.Entry(
                    file: "omb.so",
                    name: PluginName(unchecked: "omb"),
                    verdict: .refused(reason: "format: no ELF header")
                )
            ])
        )
        #expect(await fleet.ask("restart").error?.contains("omb.so: format: no ELF header") == true)
        let plugin = await fleet.ask("plugins").result?.array?.first
        #expect(plugin?["state"]?.string == "loaded")
        #expect(plugin?["reason"]?.string == "the old code goes on: format: no ELF header")
        #expect(plugin?["workers"]?.int == 2)
        #expect(try await fleet.stop() == 0)
    }

    @Test("Restarts that are asked for while one is at work are one more, not many")
    func manyRestarts() async throws {
        let fleet = try Fleet()
        try await fleet.waitForWorkers(2)
        await withTaskGroup(of: ControlReply.self) { group in
            for _ in 0..<100 { group.addTask { await fleet.ask("restart") } }
            for await reply in group { #expect(reply.result != nil, "\(reply)") }
        }
        let generation = await fleet.ask("plugins").result?.array?.first?["generation"]?.int ?? 0
        #expect((2...3).contains(generation))
        #expect(try await fleet.stop() == 0)
    }

    @Test("A plugin that can't be loaded keeps its last known queues in the broker: their items wait")
    func remembered() async throws {
        let fleet = try Fleet()
        try await fleet.waitForWorkers(2)
        #expect(try await fleet.stop() == 0)
        let config = Fleet.config.replacingOccurrences(
            of: "state_dir: var",
            with: "state_dir: \(fleet.directory.file("var"))"
        )
        let next = try Fleet(config: config, plugins: FakePlugins([:]))
        let told = try #require(try await next.wait("broker", "configured").first?.what)
        #expect(told.contains("\"isLoaded\":false") && told.contains("\"ombout\""))
        #expect(
            await next.ask("sites").result?.array?.first?["error"]?.string?.contains("no omb.so in plugins.d") == true
        )
        #expect(try await next.stop() == 0)
    }

    @Test("What concerns items goes to the broker, and its answer comes back as it is")
    func forwarded() async throws {
        let fleet = try Fleet()
        try await fleet.waitForWorkers(2)
        #expect(await fleet.ask("dead.list", ["site": .string("alice")]).result == .string("broker"))
        #expect(await fleet.ask("refuse").error == "never")
        #expect(await fleet.ask("status").result?["queues"] == .array([.int(1)]))
        #expect(try await fleet.stop() == 0)
    }

    @Test("stop answers first, and is done when the socket closes")
    func stopCommand() async throws {
        let fleet = try Fleet()
        try await fleet.waitForWorkers(2)
        let client = try await ControlClient.connect(path: fleet.directory.file("var/control.sock"))
        let reply = try await client.request("stop")
        #expect(reply["text"]?.string == "hostd finishes what is in flight, then stops")
        await client.waitUntilClosed()
        #expect(try await fleet.end() == 0)
    }
}
