// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import RecipientDirectory

struct RecipientsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recipients",
        abstract: "Who of a site's authors is delivered where, by one plugin.",
        discussion: """
            Works on the directory's file, hostd running or not. A recipient is a JSON line:
              {"plugin": "omb", "author": "http://alice.example/user/7",
               "target": "http://remote.example/omb/postnotice",
               "credentials": {"token": "...", "secret": "..."}}

            Example:
              queuectl recipients import -s alice omb subscribers.jsonl
              queuectl recipients list -s alice omb --author http://alice.example/user/7
              queuectl recipients export -s alice omb --secrets backup.jsonl
              queuectl recipients remove -s alice omb --target http://gone.example/omb/postnotice
            """,
        subcommands: [
            RecipientsImportCommand.self, RecipientsExportCommand.self, RecipientsListCommand.self,
            RecipientsRemoveCommand.self,
        ]
    )

    @OptionGroup var global: GlobalOptions
}

/// `-s SITE PLUGIN`: whose recipients.
struct RecipientsOwner: ParsableArguments {
    @OptionGroup var site: RequiredSiteOption
    @Argument(help: "The plugin's name: its file in plugins.d without .so.") var plugin: PluginArgument
}

/// Only some of them.
struct RecipientsFilter: ParsableArguments {
    @Option(help: ArgumentHelp("Of this author.", valueName: "uri")) var author: String?
    @Option(help: ArgumentHelp("Of this target.", valueName: "target")) var target: String?
}

struct RecipientsImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Add or replace recipients from JSON lines.",
        discussion: """
            Bad lines are told by number; the good ones are imported, or none with --strict.
            Example:
              queuectl recipients import -s alice omb --strict subscribers.jsonl
            """
    )

    @OptionGroup var global: GlobalOptions
    @OptionGroup var owner: RecipientsOwner
    @Flag(help: "All lines or none.") var strict = false
    @Argument(help: "JSON lines; - or nothing is standard input.", completion: .file()) var file = "-"

    func run() async throws {
        let directory = try RecipientsFile(Installation.load(global)).writer()
        let report = try RecipientLines(file).apply(.put, to: directory, of: owner, isStrict: strict)
        try Output.line("\(report.accepted) imported, \(report.changed) of them new or changed")
    }
}

struct RecipientsExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write recipients as JSON lines, as import reads them.",
        discussion: """
            Credentials are left out unless --secrets is given; a file is readable by you only.
            Example:
              queuectl recipients export -s alice omb --secrets backup.jsonl
            """
    )

    @OptionGroup var global: GlobalOptions
    @OptionGroup var owner: RecipientsOwner
    @OptionGroup var filter: RecipientsFilter
    @Flag(help: "With credentials.") var secrets = false
    @Argument(help: "Where to; - or nothing is standard output.", completion: .file()) var file = "-"

    func run() async throws {
        let directory = try RecipientsFile(Installation.load(global)).reader()
        let destination = try ExportFile(file)
        var count = 0
        try directory.forEach(
            owner.site.site.name,
            owner.plugin.name,
            author: filter.author,
            target: filter.target
        ) { recipient in
            try destination.line(recipient.jsonLine(plugin: owner.plugin.name, includeSecrets: secrets))
            count += 1
        }
        try destination.finish()
        if file != "-" { try Output.line("\(count) exported") }
    }
}

struct RecipientsListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Show recipients; never their credentials.",
        discussion: "Example:\n  queuectl recipients list -s alice omb --target http://remote.example/omb/postnotice"
    )

    @OptionGroup var global: GlobalOptions
    @OptionGroup var owner: RecipientsOwner
    @OptionGroup var filter: RecipientsFilter

    func run() async throws {
        let directory = try RecipientsFile(Installation.load(global)).reader()
        let terminal = Terminal.standardOutput()
        var page = Self.table(after: [])
        var count = 0
        try directory.forEach(
            owner.site.site.name,
            owner.plugin.name,
            author: filter.author,
            target: filter.target
        ) { recipient in
            page.add([
                .init(recipient.target), .init(recipient.author), .init(recipient.key),
                recipient.credentials.isEmpty ? .init("none", .dim) : .init("yes"), .init(recipient.options),
            ])
            count += 1
            guard page.rows.count == Self.pageSize else { return }
            try Output.write(page.rendered(in: terminal, heading: count == Self.pageSize))
            page = Self.table(after: page.widths)
        }
        if count == 0 { return try Output.line("No recipient.") }
        if !page.rows.isEmpty { try Output.write(page.rendered(in: terminal, heading: count < Self.pageSize)) }
    }

    private static let pageSize = 200

    private static func table(after widths: [Int]) -> Table {
        Table(
            [
                .init(title: "TARGET", cut: .middle), .init(title: "AUTHOR", cut: .middle), .init(title: "KEY"),
                .init(title: "CREDENTIALS"), .init(title: "OPTIONS", cut: .end),
            ],
            widths: widths
        )
    }
}

struct RecipientsRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Remove a target, or the recipients that a file names.",
        discussion: """
            Example:
              queuectl recipients remove -s alice omb --target http://gone.example/omb/postnotice
              queuectl recipients remove -s alice omb unsubscribed.jsonl
            """
    )

    @OptionGroup var global: GlobalOptions
    @OptionGroup var owner: RecipientsOwner
    @OptionGroup var filter: RecipientsFilter
    @Option(help: ArgumentHelp("Only this one of the target's subscriptions.", valueName: "key")) var key: String?
    @Argument(help: "JSON lines of plugin, author, target and key; - is standard input.", completion: .file())
    var file: String?

    func validate() throws {
        switch (filter.target, file) {
        case (nil, nil): throw ValidationError("which ones? Name --target, or a file of JSON lines")
        case (.some, .some): throw ValidationError("either --target or a file")
        case (nil, .some) where filter.author != nil || key != nil:
            throw ValidationError("--author and --key go with --target")
        default: break
        }
    }

    func run() async throws {
        let directory = try RecipientsFile(Installation.load(global)).writer()
        let removed: Int
        if let target = filter.target {
            removed = try directory.remove(
                owner.site.site.name,
                owner.plugin.name,
                author: filter.author,
                target: target,
                key: key
            )
        } else {
            removed = try RecipientLines(file ?? "-").apply(.remove, to: directory, of: owner, isStrict: false).changed
        }
        try Output.line("\(removed) removed")
    }
}
