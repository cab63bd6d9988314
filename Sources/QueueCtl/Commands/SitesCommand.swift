// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control

struct SitesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sites",
        abstract: "The sites, and the plugins that are enabled on each.",
        discussion: """
            Example:
              queuectl sites
              queuectl sites drop bob --dry-run
            """,
        subcommands: [SitesListCommand.self, SitesDropCommand.self],
        defaultSubcommand: SitesListCommand.self
    )

    @OptionGroup var global: GlobalOptions
}

struct SitesListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "The sites, and the plugins that are enabled on each.",
        discussion: "Example:\n  queuectl sites"
    )

    @OptionGroup var global: GlobalOptions
    @OptionGroup var format: JSONFlag

    func run() async throws {
        let sites = try await Installation.hostd(global).ask("sites")
        if format.json { return try Output.line(JSONText.document(sites)) }
        try Output.write(SitesView(sites: sites.array ?? []).rendered(in: .standardOutput()))
    }
}

struct SitesDropCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drop",
        abstract: "Drop what waits of a site that was removed.",
        discussion: """
            Only for a site that isn't configured any more. Its dead letters stay: queuectl dead drop -s SITE.

            Example:
              queuectl sites drop bob --dry-run
              queuectl sites drop bob
            """
    )

    @OptionGroup var global: GlobalOptions
    @Flag(help: "Only count.") var dryRun = false
    @Argument(help: "The site's nickname.") var site: SiteArgument

    func run() async throws {
        let reply = try await Installation.hostd(global)
            .ask("site.drop", ["site": site.value, "dry_run": .bool(dryRun)])
        let count = Figures.count(reply["count"]?.int ?? 0)
        let dead = reply["dead"]?.int ?? 0
        let rest = dead == 0 ? "" : "; \(Figures.count(dead)) dead letters stay: queuectl dead drop -s \(site.name)"
        try Output.line("\(count) \(dryRun ? "would be dropped" : "dropped")\(rest)")
    }
}
