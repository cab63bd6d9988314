// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// The options of StatusNet's queuectl, several at once: `--update -s<site>`, `--restart`, `--stop`.
///
/// Scripts that call the old program go on working.
struct LegacyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queuectl",
        abstract: "StatusNet's options: the same as the commands update, restart and stop.",
        discussion: """
            Several at once are done in the order update, restart, stop. -s names the site of --update, by its nickname \
            or its server's name; without it all sites are meant.

            Example:
              queuectl --update -salice --restart
            """
    )

    @OptionGroup var global: GlobalOptions
    @OptionGroup var wait: WaitFlag
    @Flag(name: [.short, .long], help: "Read the site's configuration again (queuectl update).")
    var update = false
    @Flag(name: [.short, .long], help: "New generation of code and configuration (queuectl restart).")
    var restart = false
    @Flag(help: "Graceful stop (queuectl stop).")
    var stop = false
    @Option(
        name: [.customShort("s", allowingJoined: true), .long],
        help: ArgumentHelp(
            "The site that --update is about, may be repeated; --restart and --stop are about all.",
            valueName: "site"
        )
    )
    var site: [SiteOrServerArgument] = []

    /// Whether these are the old options: one of the three is there, and no command's name.
    static func isMeant(by arguments: [String]) -> Bool {
        var isValue = false
        var isLegacy = false
        for argument in arguments {
            if isValue {
                isValue = false
            } else if argument == "-s" || argument == "--site" || argument == "--config"
                || argument == "--state-dir"
            {
                isValue = true
            } else if !argument.hasPrefix("-") {
                return false
            } else if ["--update", "--restart", "--stop"].contains(argument) || isCluster(argument) {
                isLegacy = true
            }
        }
        return isLegacy
    }

    /// `-u`, `-r`, `-ur`.
    private static func isCluster(_ argument: String) -> Bool {
        argument.count > 1 && argument.dropFirst().allSatisfy { "ur".contains($0) }
    }

    func run() async throws {
        let hostd = try await Installation.hostd(global)
        if update { try await UpdateCommand.perform(site, wait, by: hostd) }
        if restart { try await RestartCommand.perform(wait, by: hostd) }
        // Last: after it nobody is there to be asked.
        if stop { try await StopCommand.perform(wait, by: hostd) }
    }
}
