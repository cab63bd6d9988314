// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import QueueCore
import Testing

@testable import QueueCtl

/// What is understood, and what is a usage error (exit status 2), without running anything.
@Suite struct CommandLineTests {
    private func parse<Command>(_ line: String, as type: Command.Type) throws -> Command {
        try #require(try EntryPoint.parse(line.split(separator: " ").map(String.init)) as? Command)
    }

    @Test(
        "Usage errors",
        arguments: [
            "nonsense", "enqueue notice x.json", "enqueue -s alice", "enqueue -s ../x notice x.json",
            "enqueue -s alice --priority 10 notice x", "enqueue -s alice --delay soon notice x",
            "enqueue -s alice --delay 60d notice x", "enqueue -s alice --expires tomorrow notice x",
            "enqueue -s alice --jsonl --dedupe k notice x", "update -s /", "update alice", "pause", "notice",
            "dead drop", "dead drop --all 17", "dead show", "dead list --reason tired", "dead list seventeen",
            "dead list --older-than old", "recipients remove -s alice omb", "recipients list omb",
            "recipients remove -s alice omb --target t lines.jsonl", "status --jsno", "--stop --nonsense", "sites drop",
            "sites drop ../x", "--update -s", "--update --restart alice",
        ]
    )
    func usage(line: String) async {
        #expect(await EntryPoint.run(line.split(separator: " ").map(String.init)) == 2)
    }

    @Test("The configuration is named before or after the command")
    func config() throws {
        for line in ["--config a.yaml dead list", "dead --config a.yaml list", "dead list --config a.yaml"] {
            #expect(try parse(line, as: DeadListCommand.self).global.config == "a.yaml")
        }
    }

    @Test("StatusNet's options are understood, several at once and with the site joined on")
    func legacy() throws {
        let all = try parse("--config a.yaml --update -salice --restart --stop", as: LegacyCommand.self)
        #expect(all.update && all.restart && all.stop)
        #expect(all.site.map(\.text) == ["alice"])
        #expect(all.global.config == "a.yaml")
        #expect(try parse("-u -s alice", as: LegacyCommand.self).update)
        #expect(try parse("-r", as: LegacyCommand.self).restart)
        #expect(try parse("-u --site=alice", as: LegacyCommand.self).site.map(\.text) == ["alice"])
        let both = try parse("-ur -s alice -sbob.example:8080 --no-wait", as: LegacyCommand.self)
        #expect(both.update && both.restart && !both.stop && both.wait.noWait)
        #expect(both.site.map(\.text) == ["alice", "bob.example:8080"])
        // Its scripts all took -s; what is about all sites passes over it.
        #expect(try parse("-salice --restart", as: LegacyCommand.self).restart)
        #expect(try parse("--update", as: LegacyCommand.self).site.isEmpty)
    }

    @Test("A command is never taken for the old options")
    func commandBeforeLegacy() throws {
        #expect(try parse("update -s alice", as: UpdateCommand.self).site.map(\.text) == ["alice"])
        #expect(try parse("enqueue -s alice notice --jsonl -", as: EnqueueCommand.self).jsonl)
        #expect(!LegacyCommand.isMeant(by: []))
        #expect(!LegacyCommand.isMeant(by: ["--help"]))
        #expect(!LegacyCommand.isMeant(by: ["-s", "--stop", "status"]))
    }

    @Test("A dead letter's filter becomes the broker's arguments, and nothing that wasn't said")
    func deadFilter() throws {
        #expect(try parse("dead list", as: DeadListCommand.self).filter.arguments.isEmpty)
        let line = "dead requeue -s alice -q ombout --target http://t/ --reason gone --older-than 2d 3 17 --dry-run"
        let requeue = try parse(line, as: DeadRequeueCommand.self)
        #expect(requeue.dryRun)
        #expect(
            requeue.filter.arguments == [
                "site": .string("alice"), "queue": .string("ombout"), "target": .string("http://t/"),
                "reason": .string("gone"), "older_than_ms": .int(172_800_000), "ids": .array([.int(3), .int(17)]),
            ]
        )
    }

    @Test("An item's options become its headers")
    func headers() throws {
        let line =
            "enqueue -s alice --priority 9 --delay 10m --dedupe k1 --target t --expires 2026-11-25T10:00:00Z ombout x"
        let headers = try parse(line, as: EnqueueCommand.self).headers.map { "\($0.name):\($0.value)" }
        #expect(
            headers == [
                "site:alice", "queue:ombout", "persistent:true", "priority:9", "delay:600000", "dedupe:k1", "target:t",
                "expires:1795600800000",
            ]
        )
    }

    @Test("A moment is a span from now or a date")
    func moment() throws {
        let now = try #require(Figures.date("2026-11-25T10:00:00Z"))
        #expect(MomentArgument("12h", now: now)?.milliseconds == 1_795_644_000_000)
        #expect(MomentArgument("2026-11-25T11:00:00+01:00", now: now)?.milliseconds == 1_795_600_800_000)
        #expect(MomentArgument("999999999999d", now: now) == nil)
        #expect(MomentArgument("noon", now: now) == nil)
    }

    /// Every command below `command`, itself included.
    private static func all(_ command: any ParsableCommand.Type) -> [any ParsableCommand.Type] {
        [command] + command.configuration.subcommands.flatMap(all)
    }

    @Test("Every command's help has an example, and fits a terminal of 80 columns")
    func help() {
        for command in Self.all(QueueCtl.self) {
            let help = command.helpMessage(columns: 80)
            #expect(help.contains("Example:\n"), "\(command)")
            #expect(help.contains("queuectl"), "\(command)")
        }
    }

    @Test("Completion scripts are generated", arguments: [CompletionShell.bash, .zsh, .fish])
    func completion(shell: CompletionShell) {
        #expect(QueueCtl.completionScript(for: shell).contains("requeue"))
    }
}
