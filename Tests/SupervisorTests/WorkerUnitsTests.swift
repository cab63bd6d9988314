// SPDX-License-Identifier: Apache-2.0
import Control
import HostConfig
import QueueCore
import TestSupport
import Testing

@testable import Supervisor

/// Which workers a deployment has, and what each serves.
@Suite struct WorkerUnitsTests {
    private static let sites = ["alice", "bob"]

    private func workers(
        _ config: String,
        _ descriptors: [String: PluginDescriptor] = ["omb": FakePlugins.descriptor()],
        sites: [String: String] = [:],
        threads: Int = 2
    ) throws -> [WorkerConfiguration] {
        let directory = try TemporaryDirectory()
        let plugins = descriptors.keys.sorted().map { "  \($0): {}\n" }.joined()
        for site in Self.sites {
            let text = "server: \(site).example\n\(sites[site] ?? "")plugins:\n\(plugins)"
            try directory.write(text, to: "sites.d/\(site).yaml")
        }
        let deployment = try Deployment.load(try directory.write(config, to: "hostd.yaml"), threads: threads)
        var running: [PluginName: SpawnPlan.RunningPlugin] = [:]
        for (index, (name, descriptor)) in descriptors.sorted(by: { $0.key < $1.key }).enumerated() {
            let code = LoadablePlugin(path: "/\(name).so", descriptor: descriptor)
            running[PluginName(unchecked: name)] = SpawnPlan.RunningPlugin(code: code, generation: index + 1)
        }
        return SpawnPlan(deployment, running: running, known: [:], stateDirectory: "/state").workers
    }

    /// `worker omb/0: omb ombout` and so on; a queue with sites that it hasn't, or alone has, names them.
    private func described(_ workers: [WorkerConfiguration]) -> [String] {
        workers.map { worker in
            let parts = worker.members.map { member in
                member.queues.sorted { $0.key < $1.key }.map { queue, scope in
                    switch scope {
                    case .only(let site): "\(queue)=\(site)"
                    case .except(let sites) where sites.isEmpty: "\(queue)"
                    case .except(let sites): "\(queue)-\(sites.sorted().map(\.rawValue).joined(separator: "-"))"
                    }
                }.joined(separator: " ")
            }
            return "\(SlotID.worker(worker)): " + parts.joined(separator: " + ")
        }
    }

    @Test("Without a breakout a plugin has one unit for each group of its queues")
    func groups() throws {
        var descriptor = FakePlugins.descriptor(queues: ["jabber", "xmppout"], singletons: ["xmppout"])
        descriptor.handlers[1].group = GroupName(unchecked: "xmpp")
        let workers = try workers("", ["xmppout": descriptor])
        #expect(
            described(workers) == [
                "worker xmppout/0: jabber", "worker xmppout/1: jabber", "worker xmppout xmpp/0: xmppout",
            ]
        )
    }

    @Test("GROUP/QUEUE takes a queue out of its group, GROUP/QUEUE/SITE one site's part of it")
    func breakouts() throws {
        let workers = try workers("queue: { breakout: [main/omb, main/ombout/alice] }\n", threads: 1)
        #expect(
            described(workers) == [
                "worker omb/0: ombout-alice", "worker omb main/omb/0: omb",
                "worker omb main/ombout/alice/0: ombout=alice",
            ]
        )
        #expect(workers.map { $0.sites.map(\.nickname.rawValue) } == [["bob"], ["alice", "bob"], ["alice"]])
    }

    @Test("A site of a queue that has an entry goes by its own entry")
    func both() throws {
        let workers = try workers("queue: { breakout: [main/ombout, main/ombout/bob] }\n", threads: 1)
        #expect(
            described(workers) == [
                "worker omb/0: omb", "worker omb main/ombout/0: ombout-bob", "worker omb main/ombout/bob/0: ombout=bob",
            ]
        )
    }

    @Test("A site's own file breaks its queues out as hostd.yaml does; the same entry twice is one")
    func perSite() throws {
        let site = ["alice": "breakout: [main/ombout]\n"]
        let mine = try workers("", sites: site, threads: 1)
        let theirs = try workers("queue: { breakout: [main/ombout/alice] }\n", threads: 1)
        let both = try workers("queue: { breakout: [main/ombout/alice] }\n", sites: site, threads: 1)
        #expect(described(mine) == described(theirs) && described(mine) == described(both))
        #expect(described(mine).last == "worker omb main/ombout/alice/0: ombout=alice")
    }

    @Test("An entry of another group, another queue or a site that doesn't enable the plugin changes nothing")
    func strangers() throws {
        let plain = try workers("")
        let entries = "xmpp/ombout, main/other, main/omb/carol"
        #expect(described(try workers("queue: { breakout: [\(entries)] }\n")) == described(plain))
    }

    @Test("Once all sites of a unit are broken out, it has no worker left")
    func empty() throws {
        let descriptor = FakePlugins.descriptor(queues: ["ombout"])
        let workers = try workers(
            "queue: { breakout: [main/ombout/alice, main/ombout/bob] }\n",
            ["omb": descriptor],
            threads: 1
        )
        #expect(workers.map(\.unit) == ["main/ombout/alice", "main/ombout/bob"])
    }

    @Test("A singleton has one worker for each site, also where it is broken out and whatever the count")
    func singletons() throws {
        let descriptor = FakePlugins.descriptor(queues: ["a", "single"], singletons: ["single"])
        let workers = try workers("queue: { breakout: [main/single/alice] }\n", ["omb": descriptor], threads: 3)
        for site in Self.sites.map({ SiteName(unchecked: $0) }) {
            let count = workers.count { $0.queues[QueueName(unchecked: "single")]?.contains(site) == true }
            #expect(count == 1, "\(site)")
        }
        #expect(workers.count == 4)
    }

    @Test("isolate: group puts the plugins of a group into one process, each with its own queues")
    func isolateGroup() throws {
        var xmpp = FakePlugins.descriptor(queues: ["jabber", "xmppout"], singletons: ["xmppout"])
        xmpp.handlers[1].group = GroupName(unchecked: "xmpp")
        let config = "workers: { isolate: group }\nqueue: { breakout: [main/ombout/alice] }\n"
        let workers = try workers(config, ["omb": FakePlugins.descriptor(), "xmpp": xmpp])
        #expect(
            described(workers) == [
                "worker main/0: omb ombout-alice + jabber", "worker main/1: omb ombout-alice + jabber",
                "worker main/ombout/alice/0: ombout=alice", "worker main/ombout/alice/1: ombout=alice",
                "worker xmpp/0: xmppout",
            ]
        )
        #expect(workers.map { SlotID.worker($0).generation } == [2, 2, 1, 1, 2])
        #expect(workers.allSatisfy { $0.isShared && $0.others.allSatisfy(\.others.isEmpty) })
    }

    @Test("A roll-out of one plugin starts the workers that it is in, with the other plugins as they are")
    func rolling() throws {
        let directory = try TemporaryDirectory()
        try directory.write("server: a.example\nplugins: { a: {}, b: {} }\n", to: "sites.d/alice.yaml")
        let file = try directory.write("workers: { isolate: group }\n", to: "hostd.yaml")
        let deployment = try Deployment.load(file, threads: 1)
        func plugin(_ path: String, _ generation: Int) -> SpawnPlan.RunningPlugin {
            let code = LoadablePlugin(path: path, descriptor: FakePlugins.descriptor())
            return SpawnPlan.RunningPlugin(code: code, generation: generation)
        }
        let (a, b) = (PluginName(unchecked: "a"), PluginName(unchecked: "b"))
        let workers = SpawnPlan.workers(
            rolling: [b: plugin("/b2.so", 3)],
            among: [a: plugin("/a1.so", 1), b: plugin("/b1.so", 2)],
            deployment,
            stateDirectory: "/state"
        )
        #expect(workers.map { $0.members.map(\.pluginPath) } == [["/a1.so", "/b2.so"]])
        #expect(workers.map { SlotID.worker($0).generation } == [3])
    }
}
