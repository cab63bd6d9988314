// SPDX-License-Identifier: Apache-2.0
import Foundation
import QueueCore
import TestSupport
import Testing

@testable import HostConfig

/// Parses as if the text stood in /etc/hostd/hostd.yaml; the environment holds TOKEN only.
private func parse(_ text: String) throws(ConfigError) -> HostConfig {
    try HostConfig.parse(text, file: "/etc/hostd/hostd.yaml", environment: { $0 == "TOKEN" ? "from-env" : nil })
}

/// The error lines of a text, without the file's name.
private func lines(_ text: String) -> [String] {
    do {
        _ = try parse(text)
        return []
    } catch {
        return error.all.map { $0.description.replacing("/etc/hostd/hostd.yaml:", with: "") }
    }
}

@Suite struct HostConfigTests {
    @Test(
        "An empty file, a file of comments and one with empty sections give the defaults",
        arguments: [
            "", "# nothing\n", "queue:\nworkers:\n", "queue: {}\n", "---\n",
        ]
    )
    func defaults(text: String) throws {
        var config = try parse(text)
        config.file = nil
        #expect(config == HostConfig(folder: "/etc/hostd"))
    }

    @Test("Every key is read, typed, and relative paths are resolved against the file's folder")
    func everyKey() throws {
        let config = try parse(
            """
            state_dir: state
            plugins_dir: /opt/plugins
            sites_dir: ../sites
            workers: { count: 3, isolate: group, canary: 0s, start_timeout: 5s, memory_limit: 1GiB }
            queue:
              listen: "[::1]:0"
              username: 1234
              password: ${TOKEN}
              basename: /queue/x/
              control_channel: /topic/c
              breakout: [fast/omb, xmpp2/xmppout/alice]
              max_retries: 3
              dead_letter_dir: dead
              target_concurrency: 7
              expires: 2h
              history: 90m
              max_store: 20GiB
              priorities: { omb: 9, twitterout: 0 }
              dedupe_window: 500ms
              softlimit: 100MiB
              spawndelay: 0
              drain_timeout: 5s
              debug_memory: true
              monitor: udp://127.0.0.1:9000
            stomp:
              servers: [tcp://a.example:61613, tls://b.example:61614]
              username: u
              password: p
              persistent: [omb, ombout]
              manual_failover: false
              reconnect: 5s
              enqueue_on: tls://b.example:61614
            cache: { servers: ["127.0.0.1:11211"] }
            console: { listen: "", token: t }
            http: { timeout: 2s, connections_per_host: 9, allow_private: true }
            snmp: { agentx: run/master }
            """
        )
        var expected = HostConfig(folder: "/etc/hostd")
        expected.file = "/etc/hostd/hostd.yaml"
        expected.stateDir = "/etc/hostd/state"
        expected.pluginsDir = "/opt/plugins"
        expected.sitesDir = "/etc/hostd/../sites"
        expected.workers.count = .fixed(3)
        expected.workers.isolate = .group
        expected.workers.canary = .zero
        expected.workers.startTimeout = .seconds(5)
        expected.workers.memoryLimit = .mebibytes(1024)
        expected.queue.listen = HostPort(host: "::1", port: 0)
        expected.queue.username = "1234"
        expected.queue.password = Secret("from-env")
        expected.queue.basename = "/queue/x/"
        expected.queue.controlChannel = "/topic/c"
        expected.queue.breakout = [
            BreakoutSpec(group: GroupName(unchecked: "fast"), queue: QueueName(unchecked: "omb")),
            BreakoutSpec(
                group: GroupName(unchecked: "xmpp2"),
                queue: QueueName(unchecked: "xmppout"),
                site: SiteName(unchecked: "alice")
            ),
        ]
        expected.queue.maxRetries = 3
        expected.queue.deadLetterDir = "/etc/hostd/dead"
        expected.queue.targetConcurrency = 7
        expected.queue.expires = .seconds(7200)
        expected.queue.history = .seconds(5400)
        expected.queue.maxStore = .mebibytes(20 << 10)
        expected.queue.priorities = [QueueName(unchecked: "omb"): 9, QueueName(unchecked: "twitterout"): 0]
        expected.queue.dedupeWindow = .milliseconds(500)
        expected.queue.softlimit = .size(.mebibytes(100))
        expected.queue.spawndelay = .zero
        expected.queue.drainTimeout = .seconds(5)
        expected.queue.debugMemory = true
        expected.queue.monitor = .udp(HostPort(host: "127.0.0.1", port: 9000))
        let second = StompServer(address: HostPort(host: "b.example", port: 61614), usesTLS: true)
        expected.stomp.servers = [
            StompServer(address: HostPort(host: "a.example", port: 61613), usesTLS: false), second,
        ]
        expected.stomp.username = "u"
        expected.stomp.password = Secret("p")
        expected.stomp.persistent = .queues([QueueName(unchecked: "omb"), QueueName(unchecked: "ombout")])
        expected.stomp.manualFailover = false
        expected.stomp.reconnect = .seconds(5)
        expected.stomp.enqueueOn = second
        expected.cache.servers = [HostPort(host: "127.0.0.1", port: 11211)]
        expected.console.listen = nil
        expected.console.token = Secret("t")
        expected.http.timeout = .seconds(2)
        expected.http.connectionsPerHost = 9
        expected.http.allowPrivate = true
        expected.snmp.agentx = .socket(path: "/etc/hostd/run/master")
        #expect(config == expected)
        #expect(config.queue.expiresMs == 7_200_000)
        #expect(config.memoryLimits(workers: 3).soft == .mebibytes(100))
        #expect(config.workers.effectiveCount == 3)
    }

    @Test(
        "Each wrong value is told with line, key, what is wanted and what was found",
        arguments: [
            (
                "queue:\n  max_retries: ten",
                "2: queue.max_retries: expected a whole number from 0 to 1000, found \"ten\""
            ),
            (
                "queue:\n  max_retries: \"10\"",
                "2: queue.max_retries: expected a whole number from 0 to 1000, found the text \"10\""
            ),
            ("queue:\n  max_retries:", "2: queue.max_retries: expected a whole number from 0 to 1000, found nothing"),
            (
                "queue:\n  max_retries: [1]",
                "2: queue.max_retries: expected a whole number from 0 to 1000, found a list"
            ),
            ("queue: 5", "1: queue: expected a mapping (KEY: VALUE lines), found \"5\""),
            ("- a", "1: expected a mapping (KEY: VALUE lines), found a list"),
            ("queue: { debug_memory: yes }", "1: queue.debug_memory: expected true or false, found \"yes\""),
            ("workers: { count: 0 }", "1: workers.count: expected auto, or a whole number from 1 to 1024, found \"0\""),
            ("workers: { isolate: none }", "1: workers.isolate: expected plugin or group, found \"none\""),
            (
                "queue: { expires: 5 }",
                "1: queue.expires: expected a duration such as 10ms, 5s, 2m, 1h or 5d, from 1s to 3650d, found \"5\""
            ),
            (
                "queue: { softlimit: 101% }",
                "1: queue.softlimit: expected a share of workers.memory_limit such as 90%, or a size such as 400MiB, "
                    + "found \"101%\""
            ),
            (
                "queue: { listen: localhost }",
                "1: queue.listen: expected HOST:PORT, or \"\" for the Unix socket only, found \"localhost\""
            ),
            (
                "queue: { basename: /queue/x }",
                "1: queue.basename: expected a destination such as /queue/statusnet/, with a slash at its end, "
                    + "found \"/queue/x\""
            ),
            (
                "queue:\n  breakout:\n  - a/b\n  - a",
                "4: queue.breakout: expected GROUP/QUEUE or GROUP/QUEUE/SITE, found \"a\""
            ),
            (
                "queue: { breakout: a/b }",
                "1: queue.breakout: expected a list ([A, B] or - lines), each GROUP/QUEUE or GROUP/QUEUE/SITE, found \"a/b\""
            ),
            (
                "queue: { priorities: { omb: 10 } }",
                "1: queue.priorities.omb: expected a priority from 0 to 9, found \"10\""
            ),
            (
                "queue: { priorities: { \"o b\": 1 } }",
                "1: queue.priorities: expected the name of a queue, found the text \"o b\""
            ),
            (
                "queue: { monitor: ftp://x }",
                "1: queue.monitor: expected udp://HOST:PORT or http://..., found \"ftp://x\""
            ),
            (
                "stomp: { servers: [a.example] }",
                "1: stomp.servers: expected tcp://HOST:PORT or tls://HOST:PORT, found \"a.example\""
            ),
            (
                "stomp: { persistent: maybe }",
                "1: stomp.persistent: expected true, false, or a list of queue names, found \"maybe\""
            ),
            (
                "snmp: { agentx: x }",
                "1: snmp.agentx: expected the path of a socket (with a slash) or HOST:PORT, found \"x\""
            ),
            (
                "console: { token: [geheim] }",
                "1: console.token: expected a secret: a text, ${NAME} or file:PATH, found a list"
            ),
        ]
    )
    func wrongValue(text: String, line: String) {
        #expect(lines(text) == [line])
    }

    @Test(
        "Values that don't go together are refused",
        arguments: [
            (
                "queue: { listen: 0.0.0.0:61613 }",
                "1: queue.listen: other machines reach 0.0.0.0:61613, so it needs a login: "
                    + "set queue.username and queue.password, or listen on 127.0.0.1"
            ),
            (
                "console:\n  listen: hostd.example:80",
                "2: console.listen: other machines reach hostd.example:80, so it needs a token: "
                    + "set console.token, or listen on 127.0.0.1"
            ),
            ("queue: { username: a }", "1: queue.username: given without queue.password; set both or neither"),
            ("queue: { password: a }", "1: queue.password: given without queue.username; set both or neither"),
            (
                "stomp: { enqueue_on: tcp://a:1 }",
                "1: stomp.enqueue_on: tcp://a:1 is none of stomp.servers; name one of them"
            ),
            ("queue: { softlimit: 1GiB }", "1: queue.softlimit: 1GiB is more than workers.memory_limit (512MiB)"),
            ("queue: { breakout: [a/q, b/q] }", "1: queue.breakout: a/q and b/q break out the same queue; keep one"),
        ]
    )
    func conflict(text: String, line: String) {
        #expect(lines(text) == [line])
    }

    @Test("A login opens the broker to other machines, a token the console")
    func opened() throws {
        let config = try parse(
            "queue: { listen: 0.0.0.0:1, username: a, password: b }\nconsole: { listen: \"[::]:2\", token: c }"
        )
        #expect(config.queue.listen == HostPort(host: "0.0.0.0", port: 1))
        #expect(config.console.listen == HostPort(host: "::", port: 2))
    }

    @Test(
        "An unknown key suggests the nearest one, or the section where it belongs",
        arguments: [
            ("queue: { max_retry: 1 }", "1: queue.max_retry: unknown key; did you mean max_retries?"),
            ("qeue: {}", "1: qeue: unknown key; did you mean queue?"),
            ("max_retries: 1", "1: max_retries: unknown key; did you mean queue.max_retries?"),
            ("\nzzzzzz: 1", "2: zzzzzz: unknown key; docs/config.md lists all keys"),
            ("queue: { Max_Retries: 1 }", "1: queue.Max_Retries: unknown key; did you mean max_retries?"),
        ]
    )
    func unknownKey(text: String, line: String) {
        #expect(lines(text) == [line])
    }

    @Test("All errors of a file come together")
    func together() {
        let found = lines(
            """
            queu: 1
            queue:
              max_retries: ten
              breakout: [a, b/c, d]
            console: { token: "file:nowhere", tokken: 1 }
            http: { timeout: soon }
            """
        )
        #expect(found.count == 7)
        #expect(
            found.contains {
                $0.hasPrefix("5: console.token: the secret file /etc/hostd/nowhere can't be read: No such")
            }
        )
    }

    @Test(
        "Broken YAML is told with line and column",
        arguments: [
            ("queue:\n\tlisten: x", "2:1: broken YAML: "), ("queue: [1, 2", "2:1: broken YAML: "),
            ("a: b: c", "1:5: broken YAML: "), ("a: \"b", "1:6: broken YAML: "), ("a: *nobody", "1:4: broken YAML: "),
            ("a: \u{1}", "1:4: broken YAML: "), ("a: 1\n---\nb: 2\n", "2:1: broken YAML: "),
            (String(repeating: "[", count: 20_000), "broken YAML: "),
        ]
    )
    func brokenYAML(text: String, prefix: String) {
        let found = lines(text)
        #expect(found.count == 1)
        #expect(found.first?.contains(prefix) == true, "\(found)")
    }

    @Test("A key that is set twice is told with both lines")
    func duplicateKey() {
        #expect(
            lines("queue:\n  listen: \"\"\n  history: 1d\n  \"listen\" : \"\"\n")
                == ["4: listen: set twice, first in line 2; keep one"]
        )
    }

    @Test("A missing or unreadable file that was asked for is an error")
    func unreadable() throws {
        let folder = try TemporaryDirectory()
        let path = folder.path
        #expect(throws: ConfigError.unreadable(file: "\(path)/no.yaml", reason: "No such file or directory")) {
            try HostConfig.load("\(path)/no.yaml")
        }
        #expect(throws: ConfigError.unreadable(file: path, reason: "not a regular file")) { try HostConfig.load(path) }
        try Data([0x61, 0xFF]).write(to: URL(fileURLWithPath: "\(path)/latin1.yaml"))
        #expect(throws: ConfigError.unreadable(file: "\(path)/latin1.yaml", reason: "not UTF-8 text")) {
            try HostConfig.load("\(path)/latin1.yaml")
        }
    }

    @Test("No --config and no ./hostd.yaml gives all defaults, below the working folder")
    func noFile() throws {
        // The tests run in the package's folder, which holds no hostd.yaml.
        let config = try HostConfig.load(nil)
        #expect(config.file == nil)
        #expect(config == HostConfig(folder: FileManager.default.currentDirectoryPath))
    }

    @Test("loadAll gives the sites too, and the errors of all files together")
    func loadAll() throws {
        let folder = try TemporaryDirectory()
        let file = try folder.write("queue: { max_retries: 2 }\n", to: "hostd.yaml")
        try folder.write("server: alice.example\n", to: "sites.d/alice.yaml")
        let (config, sites) = try HostConfig.loadAll(file)
        #expect(config.queue.maxRetries == 2)
        #expect(sites.map(\.nickname.rawValue) == ["alice"])

        try folder.write("queue: { max_retries: x }\n", to: "hostd.yaml")
        try folder.write("servr: alice.example\n", to: "sites.d/alice.yaml")
        let error = #expect(throws: ConfigError.self) { try HostConfig.loadAll(file) }
        #expect(error?.all.count == 3)
    }
}
