// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control

/// The command line of hostd's operators.
///
/// Commands that ask the running hostd use its control socket; `enqueue` is a STOMP producer like any other;
/// `recipients` works on the directory's file, hostd running or not.
struct QueueCtl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queuectl",
        abstract: "Look after a running hostd: its queues, sites, plugins, recipients and dead letters.",
        discussion: """
            Example:
              queuectl status --watch
              queuectl enqueue -s alice notice hello.json
              queuectl dead list -q ombout --reason max-retries
              queuectl target http://remote.example/omb/postnotice show

            Exit status: 0 done, 1 refused or failed with one line on standard error, 2 usage.
            StatusNet's options are understood too: --update -s SITE, --stop, --restart.
            """,
        version: HostVersion.current,
        subcommands: [
            EnqueueCommand.self, StatusCommand.self, PluginsCommand.self, SitesCommand.self, RecipientsCommand.self,
            DeadCommand.self, NoticeCommand.self, TargetCommand.self, PauseCommand.self, ResumeCommand.self,
            UpdateCommand.self,
            StopCommand.self, RestartCommand.self,
        ]
    )

    @OptionGroup var global: GlobalOptions
}

/// Understood before and after the command's name.
struct GlobalOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "hostd's configuration (default: hostd.yaml in this folder).",
            valueName: "hostd.yaml"
        ),
        completion: .file(extensions: ["yaml", "yml"])
    )
    var config: String?

    @Option(
        help: ArgumentHelp(
            "hostd's state directory, where the configuration isn't to be asked for it.",
            valueName: "folder"
        ),
        completion: .directory
    )
    var stateDir: String?
}

/// `-s SITE`, where a command may be narrowed to one site.
struct SiteOption: ParsableArguments {
    @Option(name: [.short, .long], help: ArgumentHelp("Only this site.", valueName: "site"))
    var site: SiteArgument?
}

/// `-s SITE`, where a command is about one site.
struct RequiredSiteOption: ParsableArguments {
    @Option(name: [.short, .long], help: ArgumentHelp("The site's nickname.", valueName: "site"))
    var site: SiteArgument
}

struct JSONFlag: ParsableArguments {
    @Flag(help: "JSON for programs: members are only ever added.")
    var json = false
}
