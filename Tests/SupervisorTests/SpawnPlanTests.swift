// SPDX-License-Identifier: Apache-2.0
import Control
import HostConfig
import QueueCore
import TestSupport
import Testing

@testable import Supervisor

@Suite struct SpawnPlanTests {
    private let omb = PluginName(unchecked: "omb")
    private let xmpp = PluginName(unchecked: "xmppout")

    private func deployment(
        _ config: String = "",
        sites: [String: String] = ["alice": "server: alice.example\nplugins: { omb: {} }\n"]
    ) throws -> Deployment {
        let directory = try TemporaryDirectory()
        for (nickname, text) in sites { try directory.write(text, to: "sites.d/\(nickname).yaml") }
        return try Deployment.load(try directory.write(config, to: "hostd.yaml"), threads: 3)
    }

    private func running(
        _ descriptor: PluginDescriptor = FakePlugins.descriptor(),
        generation: Int = 1
    ) -> SpawnPlan.RunningPlugin {
        SpawnPlan.RunningPlugin(
            code: LoadablePlugin(path: "/copy.so", descriptor: descriptor),
            generation: generation
        )
    }

    private func plan(
        _ deployment: Deployment,
        running: [PluginName: SpawnPlan.RunningPlugin],
        known: [PluginName: PluginDescriptor] = [:]
    ) -> SpawnPlan {
        SpawnPlan(deployment, running: running, known: known, stateDirectory: "/state")
    }

    @Test("Workers know the cache's servers, if there are any")
    func cacheServers() throws {
        let without = plan(try deployment(), running: [omb: running()])
        #expect(!without.workers.isEmpty && without.workers.allSatisfy(\.cacheServers.isEmpty))
        let with = plan(
            try deployment("cache: { servers: [\"127.0.0.1:11211\", \"[::1]:11212\"] }\n"),
            running: [omb: running()]
        )
        #expect(with.workers.allSatisfy { $0.cacheServers == ["127.0.0.1:11211", "[::1]:11212"] })
    }

    @Test("An enabled plugin gets as many workers as asked for, each with its number and the same sites")
    func workers() throws {
        let plan = plan(try deployment(), running: [omb: running(generation: 4)])
        let workers = plan.workers
        #expect(workers.map(\.index) == [0, 1, 2])
        #expect(workers.allSatisfy { $0.generation == 4 && $0.pluginPath == "/copy.so" })
        #expect(workers.allSatisfy { $0.sites.map(\.root) == ["http://alice.example/"] })
        #expect(workers.allSatisfy { $0.workerSocket == "/state/worker.sock" })
    }

    @Test("A queue for one worker per site is served by the first only")
    func singletons() throws {
        let some = FakePlugins.descriptor(queues: ["a", "b"], singletons: ["b"])
        let mixed = plan(try deployment(), running: [omb: running(some)]).workers
        #expect(mixed.map { $0.queues.keys.map(\.rawValue).sorted() } == [["a", "b"], ["a"], ["a"]])
        let all = FakePlugins.descriptor(queues: ["a", "b"], singletons: ["a", "b"])
        #expect(plan(try deployment(), running: [omb: running(all)]).workers.count == 1)
    }

    @Test("A plugin that no site enables has no worker, and the broker doesn't hear of it")
    func notEnabled() throws {
        let off = try deployment(sites: ["alice": "server: alice.example\nplugins: { omb: { enabled: false } }\n"])
        let plan = plan(off, running: [omb: running()])
        #expect(plan.workers.isEmpty)
        #expect(plan.broker.plugins.isEmpty)
        #expect(plan.broker.sites.map(\.plugins) == [[]])
    }

    @Test("A plugin that can't be loaded is known to the broker by what it last was, or as unknown")
    func notLoaded() throws {
        let deployment = try deployment(sites: ["alice": "server: a.example\nplugins: { omb: {}, xmppout: {} }\n"])
        let plan = plan(deployment, running: [:], known: [omb: FakePlugins.descriptor()])
        #expect(
            plan.broker.plugins == [
                PluginEntry(name: omb, descriptor: FakePlugins.descriptor(), isLoaded: false),
                PluginEntry(name: xmpp, descriptor: nil, isLoaded: false),
            ]
        )
    }

    @Test("While a new generation is on its way the broker knows its new queues, too, but gives them no notices")
    func rolling() throws {
        let old = FakePlugins.descriptor(queues: ["a", "gone"])
        var next = FakePlugins.descriptor(queues: ["a", "b"], singletons: ["a"])
        for index in next.handlers.indices { next.handlers[index].takesNotices = true }
        next.outputs = [QueueName(unchecked: "in")]
        let plan = SpawnPlan(
            try deployment(),
            running: [omb: running(old)],
            rolling: [omb: running(next, generation: 2)],
            known: [:],
            stateDirectory: "/state"
        )
        let told = try #require(plan.broker.plugins.first?.descriptor)
        // What both have stays as it runs.
        #expect(told.handlers.dropLast() == old.handlers[...])
        #expect(told.handlers.last?.queue.rawValue == "b" && told.handlers.last?.takesNotices == false)
        #expect(told.outputs.map(\.rawValue) == ["in"] && told.version == old.version)
        #expect(plan.workers == self.plan(try deployment(), running: [omb: running(old)]).workers)
    }

    @Test("A site's keys reach its workers checked, with the plugin's defaults")
    func values() throws {
        let keys = [
            ConfigKey(name: "colour", kind: .string, defaultValue: "red"), ConfigKey(name: "size", kind: .int),
        ]
        let deployment = try deployment(sites: ["alice": "server: a.example\nplugins: { omb: { size: 3 } }\n"])
        let workers = plan(deployment, running: [omb: running(FakePlugins.descriptor(keys: keys))]).workers
        #expect(workers.first?.sites.first?.values == ["colour": "red", "size": "3"])
    }

    @Test("hostd.yaml reaches broker, workers and console")
    func settings() throws {
        let config = """
            queue:
              listen: 0.0.0.0:61700
              username: u
              password: p
              basename: /queue/x/
              control_channel: /topic/x
              breakout: [main/omb, main/ombout/alice]
              max_retries: 3
              target_concurrency: 7
              expires: 1h
              priorities: { omb: 9 }
            console: { listen: "127.0.0.1:7999", token: t }
            http: { timeout: 3s, connections_per_host: 5, allow_private: true }
            """
        let plan = plan(try deployment(config), running: [omb: running()])
        #expect(plan.broker.listenHost == "0.0.0.0" && plan.broker.listenPort == 61_700)
        #expect(plan.broker.username == "u" && plan.broker.password == "p")
        #expect(plan.broker.basename == "/queue/x/")
        #expect(plan.broker.controlChannels == ["/topic/x", "/topic/statusnet/control"])
        #expect(plan.broker.breakout == ["main/omb", "main/ombout/alice"])
        #expect(plan.broker.maxRetries == 3 && plan.broker.targetConcurrency == 7)
        #expect(plan.broker.expiresMs == 3_600_000)
        #expect(plan.broker.priorities == [QueueName(unchecked: "omb"): 9])
        let worker = plan.workers.first
        #expect(worker?.httpTimeoutMs == 3000 && worker?.connectionsPerHost == 5 && worker?.allowPrivate == true)
        #expect(plan.console?.listenPort == 7999 && plan.console?.token == "t")
        #expect(plan.console?.controlSocket == "/state/control.sock")
    }

    @Test("Nothing to listen on: no STOMP over TCP, no console")
    func off() throws {
        let plan = plan(try deployment("queue: { listen: \"\" }\nconsole: { listen: \"\" }\n"), running: [:])
        #expect(plan.broker.listenHost == nil)
        #expect(plan.console == nil)
    }

    @Test("External brokers are refused in words, not ignored")
    func externalBrokers() {
        #expect(throws: SupervisorError.self) { try deployment("stomp: { servers: [tcp://127.0.0.1:61613] }\n") }
    }
}
