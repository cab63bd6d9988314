// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import QueueCore

struct PauseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause",
        abstract: "Stop claiming a queue's items; go on accepting them.",
        discussion: "Example:\n  queuectl pause ombout\n  queuectl pause ombout -s alice"
    )

    @OptionGroup var global: GlobalOptions
    @OptionGroup var site: SiteOption
    @Argument(help: "The queue's name.") var queue: QueueArgument

    func run() async throws {
        _ = try await Installation.hostd(global).ask("pause", QueueOfSite(queue, site.site).arguments)
        try Output.line("\(QueueOfSite(queue, site.site)): paused; queuectl resume \(queue.name) goes on")
    }
}

struct ResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume",
        abstract: "Go on with a queue that was paused.",
        discussion: "Example:\n  queuectl resume ombout"
    )

    @OptionGroup var global: GlobalOptions
    @OptionGroup var site: SiteOption
    @Argument(help: "The queue's name.") var queue: QueueArgument

    func run() async throws {
        _ = try await Installation.hostd(global).ask("resume", QueueOfSite(queue, site.site).arguments)
        try Output.line("\(QueueOfSite(queue, site.site)): resumed")
    }
}

/// A queue, of one site or of all.
private struct QueueOfSite: CustomStringConvertible {
    let queue: QueueArgument
    let site: SiteArgument?

    init(_ queue: QueueArgument, _ site: SiteArgument?) {
        self.queue = queue
        self.site = site
    }

    var arguments: [String: JSONValue] {
        var arguments = ["queue": queue.value]
        arguments["site"] = site?.value
        return arguments
    }

    var description: String { "\(queue.name) of \(site.map { "site \($0.name)" } ?? "all sites")" }
}
