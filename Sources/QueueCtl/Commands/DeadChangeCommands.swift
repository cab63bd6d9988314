// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control

struct DeadRequeueCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "requeue",
        abstract: "Send them back to their queues, with all attempts before them.",
        discussion: """
            Without a filter or ids: all of them.
            Example:
              queuectl dead requeue --target http://remote.example/omb/postnotice --dry-run
              queuectl dead requeue 17 18
            """
    )

    @OptionGroup var global: GlobalOptions
    @OptionGroup var filter: DeadFilter
    @Flag(help: "Only count them.") var dryRun = false

    func run() async throws {
        let hostd = try await Installation.hostd(global)
        let done = try await DeadChange(command: "dead.requeue", filter: filter, isDryRun: dryRun).perform(by: hostd)
        let count = Figures.count(done.count)
        let stay = done.refused == 1 ? "1 stays" : "\(Figures.count(done.refused)) stay"
        let refused = done.refused > 0 ? ", \(stay) dead: queuectl dead list says why" : ""
        try Output.line(dryRun ? "\(count) would be requeued" : "\(count) requeued" + refused)
    }
}

struct DeadDropCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drop",
        abstract: "Delete them for good.",
        discussion: """
            Example:
              queuectl dead drop --older-than 30d --dry-run
              queuectl dead drop -s alice -q ombout --reason gone
            """
    )

    @OptionGroup var global: GlobalOptions
    @OptionGroup var filter: DeadFilter
    @Flag(help: "Only count them.") var dryRun = false
    @Flag(help: "All of them, where neither filter nor ids are given.") var all = false

    func validate() throws {
        if filter.isEmpty, !all { throw ValidationError("which ones? Name ids or a filter, or --all for all of them") }
        if !filter.isEmpty, all { throw ValidationError("--all goes without ids and filters") }
    }

    func run() async throws {
        let hostd = try await Installation.hostd(global)
        let done = try await DeadChange(command: "dead.drop", filter: filter, isDryRun: dryRun).perform(by: hostd)
        let count = Figures.count(done.count)
        try Output.line(dryRun ? "\(count) would be dropped" : "\(count) dropped")
    }
}

/// Requeue or drop.
///
/// Letters that are named by id have to be there: a slip of the keyboard is told, and nothing changes.
struct DeadChange {
    let command: String
    let filter: DeadFilter
    let isDryRun: Bool

    /// How many; of a requeue also how many would only have died again.
    func perform(by hostd: some ControlPort) async throws -> (count: Int64, refused: Int64) {
        if !filter.ids.isEmpty {
            var found: Set<Int64> = []
            try await filter.eachPage(from: hostd) { found.formUnion($0.compactMap { $0["id"]?.int }) }
            let unknown = filter.ids.filter { !found.contains($0) }
            if !unknown.isEmpty { throw QueueCtlError.unknownLetters(unknown) }
        }
        var arguments = filter.arguments
        arguments["dry_run"] = .bool(isDryRun)
        let result = try await hostd.ask(command, arguments)
        return (result["count"]?.int ?? 0, result["refused"]?.int ?? 0)
    }
}
