// SPDX-License-Identifier: Apache-2.0
import Control
import FoundationEssentials
import Glibc
import Testing
import TestSupport

@testable import QueueCtl

/// The built queuectl as a process, against a control socket that answers as hostd does.
@Suite struct ControlCommandTests {
    private static func letter(_ id: Int64) -> JSONValue {
        .object([
            "id": .int(id), "site": .string("alice"), "queue": .string("ombout"), "target": .string("http://t\(id)/"),
            "reason": .string("gone"), "text": .string("HTTP 410"), "attempts": .int(1), "kills": .int(0),
            "maybe": .int(0), "enqueued": .string("2026-11-25T10:00:00Z"), "died": .string("2026-11-25T10:01:00Z"),
        ])
    }

    /// Pages of 1000 of so many letters.
    private static func page(_ request: ControlRequest, of count: Int64) -> JSONValue {
        let ids = request.arguments["ids"]?.array?.compactMap(\.int)
        let wanted = (1...count).filter { ids?.contains($0) ?? true }
        let rest = wanted.filter { $0 > request.arguments["after"]?.int ?? 0 }
        let page = rest.prefix(1000)
        let next: JSONValue = rest.count > page.count ? .int(page.last ?? 0) : .null
        return .object(["items": .array(page.map(letter)), "next": next])
    }

    private static func decode(_ text: String) throws -> JSONValue {
        try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
    }

    @Test("status --json prints what hostd says, unchanged")
    func statusJSON() async throws {
        let status: JSONValue = .object([
            "hostd": .object(["version": .string("1"), "more": .double(0.5)]), "queues": .array([]),
        ])
        let hostd = try await FakeHostd { _ in .success(status) }
        let run = try await hostd.queuectl("status", "--json")
        #expect(run.status == 0)
        #expect(try Self.decode(run.output) == status)
        #expect(hostd.requests.all.map(\.command) == ["status"])
        await hostd.stop()
    }

    @Test("Commands for people show what they are asked for", arguments: ["status", "plugins", "sites"])
    func tables(command: String) async throws {
        let hostd = try await FakeHostd { request in
            switch request.command {
            case "status":
                .success(
                    .object([
                        "queues": .array([.object(["queue": .string("ombout"), "ready": .int(1_234_567)])]),
                        "lanes": .array([.object(["target": .string("http://down/"), "state": .string("open")])]),
                    ])
                )
            case "plugins":
                .success(
                    .array([
                        .object([
                            "file": .string("new.so"), "state": .string("refused"),
                            "reason": .string("new.so: wants ABI 1.7"),
                        ])
                    ])
                )
            default:
                .success(
                    .array([.object(["nickname": .string("alice"), "plugins": .array([.string("omb")])])])
                )
            }
        }
        let expected = ["status": "1,234,567", "plugins": "\nnew.so: wants ABI 1.7", "sites": "alice"]
        let run = try await hostd.queuectl(command)
        #expect(run.status == 0)
        #expect(run.output.contains(try #require(expected[command])))
        #expect(!run.output.contains("\u{1B}"))
        await hostd.stop()
    }

    @Test("A refusal is one line on standard error and exit status 1")
    func refused() async throws {
        let hostd = try await FakeHostd { _ in .failure(.init(line: "the broker isn't running\njust now")) }
        let run = try await hostd.queuectl("status")
        #expect(run.status == 1)
        #expect(run.output.isEmpty)
        #expect(run.errors == "queuectl: the broker isn't running just now")
        await hostd.stop()
    }

    @Test("Without hostd: exit status 1 and a line that says what to do")
    func notRunning() async throws {
        let directory = try FakeHostd.stateDirectory()
        let run = try await FakeHostd.queuectl(in: directory, ["status"])
        #expect(run.status == 1)
        #expect(run.errors.contains("hostd isn't running"))
        #expect(!run.errors.contains("\n"))
    }

    @Test("A broken configuration names file, line and key; more than one error is counted")
    func brokenConfiguration() async throws {
        let directory = try TemporaryDirectory()
        try directory.write("queue: { max_retries: ten, nonsense: 1 }\n", to: "hostd.yaml")
        let run = try await FakeHostd.queuectl(in: directory, ["status"])
        #expect(run.status == 1)
        // What is wrong with it, and then, as a daemon with an earlier one may run, that none does.
        let lines = run.errors.split(separator: "\n")
        #expect(lines.count == 2)
        #expect(lines.first?.contains("hostd.yaml:1: queue.") == true && lines.first?.contains("(and 1 more") == true)
        #expect(lines.last?.contains("hostd isn't running") == true)
    }

    @Test("status tells first what needs a person")
    func attention() async throws {
        let hostd = try await FakeHostd { _ in
            .success(.object(["needs": .array([.string("the disk is full\u{1B}[2J")])]))
        }
        let lines = try await hostd.queuectl("status").output.split(separator: "\n")
        #expect(lines.dropFirst(2).first?.hasPrefix("! the disk is full") == true)
        #expect(!lines.joined().contains("\u{1B}"))
        await hostd.stop()
    }

    @Test("A page without letters isn't the end where there is a next one")
    func emptyPage() async throws {
        let hostd = try await FakeHostd { request in
            let after = request.arguments["after"]?.int ?? 0
            let letters = after < 20_000 ? [] : [Self.letter(20_001)]
            return .success(
                .object(["items": .array(letters), "next": after < 20_000 ? .int(after + 10_000) : .null])
            )
        }
        let run = try await hostd.queuectl("dead", "list", "--json", "--target", "http://rare/")
        #expect(try Self.decode(run.output).array?.compactMap { $0["id"]?.int } == [20_001])
        await hostd.stop()
    }

    @Test("dead list pages through all of them, in JSON and for people")
    func deadList() async throws {
        let hostd = try await FakeHostd { .success(Self.page($0, of: 2500)) }
        let json = try await hostd.queuectl("dead", "list", "--json", "-s", "alice")
        #expect(try Self.decode(json.output).array?.compactMap { $0["id"]?.int } == Array(1...2500))
        #expect(hostd.requests.all.count == 3)
        #expect(hostd.requests.all.allSatisfy { $0.arguments["site"] == .string("alice") })
        let text = try await hostd.queuectl("dead", "list")
        let lines = text.output.split(separator: "\n")
        #expect(lines.count == 2501)
        #expect(lines.filter { $0.contains("TARGET") }.count == 1)
        await hostd.stop()
    }

    @Test("An empty list is an empty array, and a sentence for people")
    func noDeadLetters() async throws {
        let hostd = try await FakeHostd { _ in .success(.object(["items": .array([]), "next": .null])) }
        #expect(try Self.decode(try await hostd.queuectl("dead", "list", "--json").output) == .array([]))
        #expect(try await hostd.queuectl("dead", "list").output == "No dead letter.")
        await hostd.stop()
    }

    @Test("dead show prints a document each; an unknown id is told after the known ones")
    func deadShow() async throws {
        let hostd = try await FakeHostd { request in
            guard request.command == "dead.show" else { return .success(Self.page(request, of: 5)) }
            var letter = Self.letter(request.arguments["id"]?.int ?? 0).object ?? [:]
            letter["headers"] = .string("priority:9\nx-source:web")
            letter["frame"] = .string("{\"id\": 42}\n\u{1B}[2J")
            return .success(.object(letter))
        }
        let json = try await hostd.queuectl("dead", "show", "3", "--json")
        #expect(try Self.decode(json.output)["id"] == .int(3))
        let run = try await hostd.queuectl("dead", "show", "3", "99")
        #expect(run.status == 1)
        #expect(run.output.contains("{\"id\": 42}"))
        #expect(run.output.contains("  x-source  web\n"))
        #expect(!run.output.contains("\u{1B}"))
        #expect(run.errors.contains("no dead letter 99"))
        await hostd.stop()
    }

    @Test("Requeue and drop pass their filter on and tell the count; a wrong id changes nothing")
    func deadChange() async throws {
        let hostd = try await FakeHostd { request in
            request.command == "dead.list"
                ? .success(Self.page(request, of: 5))
                : .success(.object(["count": .int(1234), "refused": .int(request.command == "dead.requeue" ? 2 : 0)]))
        }
        let requeued = try await hostd.queuectl("dead", "requeue", "-q", "ombout")
        #expect(requeued.output == "1,234 requeued, 2 stay dead: queuectl dead list says why")
        #expect(
            hostd.requests.all.last?.arguments == ["queue": .string("ombout"), "dry_run": .bool(false)]
        )
        #expect(try await hostd.queuectl("dead", "drop", "--all", "--dry-run").output == "1,234 would be dropped")
        #expect(hostd.requests.all.last?.arguments == ["dry_run": .bool(true)])
        let young = try await hostd.queuectl(
            "dead",
            "drop",
            "--newer-than",
            "2h",
            "--reason",
            "gone",
            "--older-than",
            "1m"
        )
        #expect(young.output == "1,234 dropped")
        #expect(
            hostd.requests.all.last?.arguments == [
                "newer_than_ms": .int(7_200_000), "older_than_ms": .int(60_000), "reason": .string("gone"),
                "dry_run": .bool(false),
            ]
        )
        let wrong = try await hostd.queuectl("dead", "drop", "2", "77")
        #expect(wrong.status == 1)
        #expect(hostd.requests.all.last?.command == "dead.list")
        await hostd.stop()
    }

    @Test("StatusNet's options are sent in an order that can be answered: update, restart, stop")
    func legacy() async throws {
        let hostd = try await FakeHostd { request in .success(.object(["text": .string("\(request.command) done")])) }
        let run = try await hostd.queuectl("--stop", "--restart", "--update", "-salice")
        #expect(run.status == 0)
        #expect(run.output == "update done\nrestart done\nstop done")
        #expect(hostd.requests.all.map(\.command) == ["update", "restart", "stop"])
        #expect(hostd.requests.all.first?.arguments == ["site": .string("alice")])
        await hostd.stop()
    }

    @Test("update asks for each site by the name that it was given, and for all where none is; --no-wait says so")
    func update() async throws {
        let hostd = try await FakeHostd { request in
            .success(.object(["text": .string("update \(request.arguments["site"]?.string ?? "all")")]))
        }
        let run = try await hostd.queuectl("update", "-s", "alice", "-s", "bob.example:81")
        #expect(run.output == "update alice\nupdate bob.example:81")
        #expect(try await hostd.queuectl("--update").output == "update all")
        #expect(try await hostd.queuectl("update", "--no-wait").status == 0)
        #expect(
            hostd.requests.all.map(\.arguments) == [
                ["site": .string("alice")], ["site": .string("bob.example:81")], [:], ["wait": .bool(false)],
            ]
        )
        await hostd.stop()
    }

    @Test("stop returns when hostd's process is gone, with --no-wait at once")
    func stopWaits() async throws {
        let process = try ProcessRunner("sleep", ["60"])
        let pid = process.pid
        let hostd = try await FakeHostd { _ in
            .success(.object(["pid": JSONValue(pid), "text": .string("it stops")]))
        }
        #expect(try await hostd.queuectl("stop", "--no-wait").output == "it stops")
        async let run = hostd.queuectl("stop")
        try await eventually("the request to stop") { hostd.requests.all.count == 2 }
        await hostd.stop()
        process.signal(SIGKILL)
        try await process.exit()
        let output = try await run.output
        #expect(output.hasPrefix("stop: hostd (pid \(pid)) has stopped, "), "\(output)")
    }

    @Test("A process is known by its start, not by its number alone")
    func processes() async throws {
        let process = try ProcessRunner("sleep", ["60"])
        let seen = try #require(RunningProcess(pid: process.pid))
        #expect(seen.isRunning)
        process.signal(SIGKILL)
        try await process.exit()
        #expect(!seen.isRunning)
        #expect(RunningProcess(pid: process.pid) == nil)
    }

    @Test("A control socket of somebody else is refused with a sentence")
    func foreignSocket() async throws {
        try #require(geteuid() == 0, "only root can make a file somebody else's: run the tests in the container")
        let hostd = try await FakeHostd { _ in .success(.null) }
        #expect(chown(hostd.directory.file("control.sock"), 4711, 4711) == 0)
        let run = try await hostd.queuectl("status")
        #expect(run.status == 1)
        #expect(run.errors.contains("belongs to user id 4711, not to you: refused"))
        #expect(hostd.requests.all.isEmpty)
        await hostd.stop()
    }

    @Test("sites drop names the site, and tells what is left")
    func sitesDrop() async throws {
        let hostd = try await FakeHostd { _ in .success(.object(["count": .int(1234), "dead": .int(2)])) }
        let dry = try await hostd.queuectl("sites", "drop", "bob", "--dry-run")
        #expect(dry.output == "1,234 would be dropped; 2 dead letters stay: queuectl dead drop -s bob")
        #expect(hostd.requests.all.last?.command == "site.drop")
        #expect(hostd.requests.all.last?.arguments == ["site": .string("bob"), "dry_run": .bool(true)])
        await hostd.stop()
    }

    @Test("pause and resume name queue and site")
    func pause() async throws {
        let hostd = try await FakeHostd { _ in .success(.object(["paused": .bool(true)])) }
        #expect(try await hostd.queuectl("pause", "ombout", "-s", "alice").status == 0)
        #expect(try await hostd.queuectl("resume", "ombout").output == "ombout of all sites: resumed")
        #expect(
            hostd.requests.all.map(\.arguments) == [
                ["queue": .string("ombout"), "site": .string("alice")], ["queue": .string("ombout")],
            ]
        )
        await hostd.stop()
    }

    @Test("A reader that goes away ends the output quietly")
    func brokenPipe() async throws {
        let hostd = try await FakeHostd { .success(Self.page($0, of: 50_000)) }
        let program = try ProcessRunner.product("queuectl")
        let config = hostd.directory.file("hostd.yaml")
        let run = try await ProcessRunner.run(
            "bash",
            ["-c", "set -o pipefail; \"$0\" --config \"$1\" dead list | head -n 2", program, config]
        )
        #expect(run.exit == .status(0))
        #expect(run.errors.isEmpty)
        #expect(run.output.split(separator: "\n").count == 2)
        // It didn't ask for all 50 pages to throw them away.
        #expect(hostd.requests.all.count < 50)
        await hostd.stop()
    }
}
