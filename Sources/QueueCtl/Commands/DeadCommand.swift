// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import FoundationEssentials
import QueueCore

struct DeadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dead",
        abstract: "Dead letters: items that were given up, and are kept with the reason.",
        discussion: """
            Example:
              queuectl dead list -q ombout --reason max-retries
              queuectl dead show 17
              queuectl dead requeue -s alice --target http://remote.example/omb/postnotice
              queuectl dead drop --older-than 30d --dry-run
              queuectl dead requeue --newer-than 2h --reason rejected
            """,
        subcommands: [DeadListCommand.self, DeadShowCommand.self, DeadRequeueCommand.self, DeadDropCommand.self],
        defaultSubcommand: DeadListCommand.self
    )

    @OptionGroup var global: GlobalOptions
}

/// Which dead letters a command is about: all that fulfil each condition.
struct DeadFilter: ParsableArguments {
    @Option(name: [.short, .long], help: ArgumentHelp("Of this site.", valueName: "site"))
    var site: SiteArgument?
    @Option(name: [.short, .long], help: ArgumentHelp("Of this queue.", valueName: "queue"))
    var queue: QueueArgument?
    @Option(help: ArgumentHelp("For this target.", valueName: "target"))
    var target: String?
    @Option(help: ArgumentHelp("Given up for this reason.", valueName: "reason"))
    var reason: ReasonArgument?
    @Option(help: ArgumentHelp("That died longer ago than this: 12h, 7d.", valueName: "time"))
    var olderThan: SpanArgument?
    @Option(help: ArgumentHelp("That died less long ago than this: 12h, 7d.", valueName: "time"))
    var newerThan: SpanArgument?
    @Argument(help: ArgumentHelp("These, by number.", valueName: "id"))
    var ids: [Int64] = []

    var isEmpty: Bool { arguments.isEmpty }

    var arguments: [String: JSONValue] {
        var arguments: [String: JSONValue] = [:]
        arguments["site"] = site?.value
        arguments["queue"] = queue?.value
        arguments["target"] = target.map(JSONValue.string)
        arguments["reason"] = reason.map { .string($0.reason.rawValue) }
        arguments["older_than_ms"] = olderThan.map { .int($0.milliseconds) }
        arguments["newer_than_ms"] = newerThan.map { .int($0.milliseconds) }
        if !ids.isEmpty { arguments["ids"] = .array(ids.map(JSONValue.int)) }
        return arguments
    }

    /// Calls `use` with each page as it comes: there is no limit to how many there are.
    func eachPage(from hostd: some ControlPort, _ use: ([JSONValue]) async throws -> Void) async throws {
        var arguments = arguments
        while true {
            let page = try await hostd.ask("dead.list", arguments)
            try await use(page["items"]?.array ?? [])
            // A page that leads to itself would never end.
            guard let next = page["next"], next != .null, next != arguments["after"] else { return }
            arguments["after"] = next
        }
    }
}

struct DeadListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "All of them, or those that a filter leaves.",
        discussion: "Example:\n  queuectl dead list -s alice --reason expired --json"
    )

    @OptionGroup var global: GlobalOptions
    @OptionGroup var filter: DeadFilter
    @OptionGroup var format: JSONFlag

    func run() async throws {
        let hostd = try await Installation.hostd(global)
        if format.json {
            var array = JSONArrayWriter()
            try await filter.eachPage(from: hostd) { for letter in $0 { try array.append(letter) } }
            return try array.end()
        }
        let terminal = Terminal.standardOutput()
        let view = DeadView(now: .now)
        var widths: [Int] = []
        try await filter.eachPage(from: hostd) { letters in
            guard !letters.isEmpty else { return }
            let table = view.page(letters, after: widths)
            try Output.write(table.rendered(in: terminal, heading: widths.isEmpty))
            widths = table.widths
        }
        if widths.isEmpty { try Output.line("No dead letter.") }
    }
}

struct DeadShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Everything about some of them, frame included.",
        discussion: "Example:\n  queuectl dead show 17\n  queuectl dead show 17 --json | jq -r .frame"
    )

    @OptionGroup var global: GlobalOptions
    @OptionGroup var filter: DeadFilter
    @OptionGroup var format: JSONFlag

    func validate() throws {
        if filter.isEmpty { throw ValidationError("which ones? Name ids or a filter; queuectl dead list shows them") }
    }

    func run() async throws {
        let hostd = try await Installation.hostd(global)
        let terminal = Terminal.standardOutput()
        let view = DeadView(now: .now)
        var shown: Set<Int64> = []
        try await filter.eachPage(from: hostd) { letters in
            for id in letters.compactMap({ $0["id"]?.int }) {
                let letter = try await hostd.ask("dead.show", ["id": .int(id)])
                // One document a letter, so that one is an object and many are a stream of them.
                let text = try format.json ? JSONText.document(letter) + "\n" : view.letter(letter, in: terminal)
                try Output.write((shown.isEmpty || format.json ? "" : "\n") + text)
                shown.insert(id)
            }
        }
        let unknown = filter.ids.filter { !shown.contains($0) }
        if !unknown.isEmpty { throw QueueCtlError.unknownLetters(unknown) }
    }
}
