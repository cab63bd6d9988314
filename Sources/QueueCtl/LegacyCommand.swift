// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// The options of StatusNet's queuectl, several at once: `--update -s<site>`, `--restart`, `--stop`.
///
/// Scripts that call the old program go on working.
struct LegacyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queuectl",
        abstract: "StatusNet's options: the same as the commands update, restart and stop.",
        discussion: "Example:\n  queuectl --update -salice --restart"
    )

    @OptionGroup var global: GlobalOptions
    @Flag(name: [.short, .long], help: "Read the site's configuration again (queuectl update).")
    var update = false
    @Flag(name: [.short, .long], help: "New generation of code and configuration (queuectl restart).")
    var restart = false
    @Flag(help: "Graceful stop (queuectl stop).")
    var stop = false
    @Option(
        name: [.customShort("s", allowingJoined: true), .long],
        help: ArgumentHelp("The site that --update is about.", valueName: "site")
    )
    var site: SiteArgument?

    /// Whether these are the old options: one of the three is there, and no command's name.
    static func isMeant(by arguments: [String]) -> Bool {
        var isValue = false
        var isLegacy = false
        for argument in arguments {
            if isValue {
                isValue = false
            } else if argument == "-s" || argument == "--site" || argument == "--config" {
                isValue = true
            } else if !argument.hasPrefix("-") {
                return false
            } else if ["-u", "--update", "-r", "--restart", "--stop"].contains(argument) {
                isLegacy = true
            }
        }
        return isLegacy
    }

    func validate() throws {
        if update, site == nil {
            throw ValidationError("--update needs the site: --update -s SITE")
        }
    }

    func run() async throws {
        let hostd = try await Installation.load(global).hostd()
        if update, let site { try await UpdateCommand.perform(site, by: hostd) }
        if restart { try await RestartCommand.perform(by: hostd) }
        // Last: after it nobody is there to be asked.
        if stop { try await StopCommand.perform(by: hostd) }
    }
}
