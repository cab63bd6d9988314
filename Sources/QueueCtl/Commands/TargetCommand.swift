// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import FoundationEssentials
import HostConfig
import QueueCore

/// `queuectl target URL VERB`: the target comes first, as in a sentence.
struct TargetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "target",
        abstract: "One target: how it is, try it now, send it again; or block some.",
        discussion: """
            queuectl target URL show        its lanes: state, what waits, next attempt and why
            queuectl target URL retry-now   its back-off is over: what waits starts now
            queuectl target URL replay      sends again what was delivered, or died, --since a time
            queuectl target PATTERN block   nothing goes there any more, at once; what waits is kept, or with --drop not
            queuectl target PATTERN unblock
            queuectl target blocks          what is blocked

            A pattern is a target as it is written, a host (remote.example, remote.example:8080: all that is there), or
            *.DOMAIN (all hosts below it, not the domain itself).

            Example:
              queuectl target http://remote.example/omb/postnotice show
              queuectl target http://remote.example/omb/postnotice replay --since 2h --dry-run
              queuectl target '*.spam.example' block -s alice
            """
    )

    enum Verb: String, CaseIterable, ExpressibleByArgument {
        case show
        case retryNow = "retry-now"
        case replay
        case block
        case unblock
    }

    @OptionGroup var global: GlobalOptions
    @OptionGroup var site: SiteOption
    @OptionGroup var format: JSONFlag
    @Option(name: [.short, .long], help: ArgumentHelp("With replay: only this queue.", valueName: "queue"))
    var queue: QueueArgument?
    @Option(help: ArgumentHelp("With replay: what ended since then: 2h, or RFC 3339.", valueName: "time"))
    var since: PastArgument?
    @Flag(help: "With replay: only count.") var dryRun = false
    @Flag(help: "With block: give up what waits, for good.") var drop = false
    @Argument(help: ArgumentHelp("The target, or a pattern of targets; \"blocks\" lists those.", valueName: "target"))
    var target: String
    @Argument(help: ArgumentHelp("show (as if left out), retry-now, replay, block or unblock.", valueName: "verb"))
    var verb: Verb?

    /// `target blocks`: no target has this name.
    private var isList: Bool { target == "blocks" && verb == nil }
    private var action: Verb { verb ?? .show }

    func validate() throws {
        if action == .replay, since == nil {
            throw ValidationError("since when? queuectl target \(target) replay --since 2h")
        }
        if action != .replay, since != nil || queue != nil || dryRun {
            throw ValidationError("--since, --queue and --dry-run go with replay")
        }
        if action != .block, drop { throw ValidationError("--drop goes with block") }
        if isList, site.site != nil { throw ValidationError("blocks lists those of all sites") }
    }

    func run() async throws {
        let hostd = try await Installation.hostd(global)
        let reply = try await hostd.ask(isList ? "target.blocks" : action.command, isList ? [:] : arguments)
        if format.json {
            return try Output.line(JSONText.document(isList ? reply["blocks"] ?? .array([]) : reply))
        }
        let view = TargetView(reply: reply, now: .now)
        if isList { return try Output.write(view.blocks(in: .standardOutput())) }
        switch action {
        case .show: try Output.write(view.target(in: .standardOutput()))
        case .retryNow: try Output.line(view.retried)
        case .replay: try Output.line(view.replayed(isDryRun: dryRun))
        case .block, .unblock: try Output.line(view.changed(target, of: site.site?.name.rawValue, to: action))
        }
    }

    private var arguments: [String: JSONValue] {
        var arguments: [String: JSONValue] = ["target": .string(target)]
        arguments["site"] = site.site?.value
        arguments["queue"] = queue?.value
        arguments["since_ms"] = since.map { .int($0.milliseconds) }
        if dryRun { arguments["dry_run"] = .bool(true) }
        if drop { arguments["drop"] = .bool(true) }
        return arguments
    }
}

extension TargetCommand.Verb {
    /// As the broker calls it.
    fileprivate var command: String {
        switch self {
        case .show: "target.show"
        case .retryNow: "target.retry"
        case .replay: "target.replay"
        case .block: "target.block"
        case .unblock: "target.unblock"
        }
    }
}

/// A moment that has passed: so long ago (`2h`), or RFC 3339.
struct PastArgument: ExpressibleByArgument {
    /// Unix milliseconds.
    let milliseconds: Int64

    init?(argument: String) { self.init(argument, now: .now) }

    init?(_ text: String, now: Date) {
        if let span = DurationText.parse(text) {
            milliseconds = Int64(now.timeIntervalSince1970 * 1000) - span.wholeMilliseconds
        } else if let moment = MomentArgument(text, now: now) {
            milliseconds = moment.milliseconds
        } else {
            return nil
        }
    }
}
