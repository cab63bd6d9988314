// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import HostConfig

/// What a reload of hostd.yaml puts into force, and what it leaves to a restart.
@Suite struct HostConfigReloadTests {
    private func config(_ text: String) throws -> HostConfig {
        try HostConfig.parse(text, file: "/x/hostd.yaml", environment: { _ in nil })
    }

    private func reload(_ before: String, _ after: String) throws -> HostConfigReload {
        HostConfigReload(inForce: try config(before), read: try config(after))
    }

    @Test("Nothing changed: nothing is listed, and the configuration is the same")
    func same() throws {
        let text = "queue: { max_retries: 3, listen: \"127.0.0.1:7000\" }\nworkers: { count: 2 }\n"
        let reload = try reload(text, text)
        #expect(reload.live.isEmpty && reload.waiting.isEmpty)
        #expect(reload.config == (try config(text)))
    }

    @Test("A live key is in force at once; one that waits keeps its value, and is listed again the next time")
    func mixed() throws {
        let before = "queue: { max_retries: 3, listen: \"127.0.0.1:7000\" }\n"
        let after = "queue: { max_retries: 4, listen: \"127.0.0.1:8000\" }\nhttp: { timeout: 3s }\n"
        let first = try reload(before, after)
        #expect(first.live == ["queue.max_retries", "http.timeout"])
        #expect(first.waiting == ["queue.listen"])
        #expect(first.config.queue.maxRetries == 4)
        #expect(first.config.http.timeout == .seconds(3))
        #expect(first.config.queue.listen?.port == 7000)
        let again = HostConfigReload(inForce: first.config, read: try config(after))
        #expect(again.live.isEmpty)
        #expect(again.waiting == ["queue.listen"])
        #expect(again.config == first.config)
    }

    /// A value for each key that differs from its default, such as a whole file of its own.
    static let changes: [(key: String, text: String)] = [
        ("state_dir", "state_dir: a"), ("plugins_dir", "plugins_dir: a"), ("sites_dir", "sites_dir: a"),
        ("workers.count", "workers: { count: 77 }"), ("workers.isolate", "workers: { isolate: group }"),
        ("workers.canary", "workers: { canary: 1s }"), ("workers.memory_limit", "workers: { memory_limit: 1GiB }"),
        ("queue.listen", "queue: { listen: \"\" }"), ("queue.basename", "queue: { basename: /queue/x/ }"),
        ("queue.control_channel", "queue: { control_channel: /topic/x }"),
        ("queue.breakout", "queue: { breakout: [a/b] }"), ("queue.max_retries", "queue: { max_retries: 1 }"),
        ("queue.dead_letter_dir", "queue: { dead_letter_dir: a }"),
        ("queue.target_concurrency", "queue: { target_concurrency: 1 }"), ("queue.expires", "queue: { expires: 1d }"),
        ("queue.history", "queue: { history: 1d }"), ("queue.priorities", "queue: { priorities: { omb: 1 } }"),
        ("queue.dedupe_window", "queue: { dedupe_window: 2d }"), ("queue.softlimit", "queue: { softlimit: 80% }"),
        ("queue.spawndelay", "queue: { spawndelay: 2s }"), ("queue.drain_timeout", "queue: { drain_timeout: 2s }"),
        ("queue.debug_memory", "queue: { debug_memory: true }"),
        ("queue.monitor", "queue: { monitor: \"udp://127.0.0.1:9\" }"),
        ("stomp.reconnect", "stomp: { reconnect: 1s }"), ("cache.servers", "cache: { servers: [\"a:1\"] }"),
        ("console.listen", "console: { listen: \"\" }"), ("console.token", "console: { token: a }"),
        ("http.timeout", "http: { timeout: 1s }"),
        ("http.connections_per_host", "http: { connections_per_host: 1 }"),
        ("http.allow_private", "http: { allow_private: true }"), ("snmp.agentx", "snmp: { agentx: /run/agentx }"),
    ]

    @Test("Each key is told by its name, and by nothing else", arguments: changes)
    func each(key: String, text: String) throws {
        let reload = try reload("", text)
        #expect(reload.live + reload.waiting == [key])
        let kind = try #require(HostKey.all.first { $0.name == key }?.change)
        #expect(reload.live.isEmpty == (kind == .restart))
        #expect((reload.config == (try config(""))) == (kind == .restart))
    }

    @Test("A login is live, but not taken away from an address that stays open to other machines until a restart")
    func login() throws {
        let open = "queue: { listen: \"0.0.0.0:7000\", username: a, password: b }\n"
        let other = try reload(open, "queue: { listen: \"0.0.0.0:7000\", username: a, password: c }\n")
        #expect(other.live == ["queue.password"])
        #expect(other.config.queue.password?.reveal() == "c")
        let closed = try reload(open, "queue: { listen: \"127.0.0.1:7000\" }\n")
        #expect(closed.live.isEmpty)
        #expect(closed.waiting == ["queue.listen", "queue.username", "queue.password"])
        #expect(closed.config.queue.password?.reveal() == "b")
    }
}
