// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control

/// Every command of this file waits for its effect; `--no-wait` only asks for it.
struct WaitFlag: ParsableArguments {
    @Flag(help: "Only ask for it; don't wait for what comes of it.")
    var noWait = false

    /// What hostd is told of it.
    var arguments: [String: JSONValue] { noWait ? ["wait": .bool(false)] : [:] }
}

struct UpdateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "update",
        abstract: "Read the configuration again: changed, new and removed sites.",
        discussion: """
            With -s that site alone, by its nickname or its server's name; else hostd.yaml and all sites. A file that is \
            wrong is told, and what was in force there stays.

            Example:
              queuectl update -s alice
              queuectl update
            """
    )

    @OptionGroup var global: GlobalOptions
    @OptionGroup var wait: WaitFlag
    @Option(
        name: [.short, .long],
        help: ArgumentHelp("Only this site, by nickname or server name; may be repeated.", valueName: "site")
    )
    var site: [SiteOrServerArgument] = []

    func run() async throws {
        try await Self.perform(site, wait, by: Installation.hostd(global))
    }

    static func perform(_ sites: [SiteOrServerArgument], _ wait: WaitFlag, by hostd: some ControlPort) async throws {
        for site in sites {
            try print(await hostd.ask("update", wait.arguments.merging(["site": site.value]) { $1 }), else: site.text)
        }
        if sites.isEmpty { try print(await hostd.ask("update", wait.arguments), else: "all sites") }
    }

    private static func print(_ reply: JSONValue, else subject: String) throws {
        try Output.line(reply["text"]?.string.map { DisplayText($0).text } ?? "\(subject): configuration read again")
    }
}

struct StopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop",
        abstract: "Graceful stop: finish what is in flight, keep the rest.",
        discussion: "Returns when the process is gone.\n\nExample:\n  queuectl stop"
    )

    @OptionGroup var global: GlobalOptions
    @OptionGroup var wait: WaitFlag

    func run() async throws {
        try await Self.perform(wait, by: Installation.hostd(global))
    }

    static func perform(_ wait: WaitFlag, by hostd: some ControlPort) async throws {
        let begin = ContinuousClock.now
        let reply = try await hostd.ask("stop")
        guard !wait.noWait, let pid = reply["pid"]?.int.flatMap({ Int32(exactly: $0) }) else {
            let text = reply["text"]?.string.map { DisplayText($0).text }
            return try Output.line(text ?? "hostd finishes what is in flight, then stops")
        }
        // From before the connection closes: its pid is surely its own.
        let process = RunningProcess(pid: pid)
        await hostd.waitUntilClosed()
        while process?.isRunning == true { try await Task.sleep(for: .milliseconds(10)) }
        let tenths = (ContinuousClock.now - begin) / .milliseconds(100)
        try Output.line("stop: hostd (pid \(pid)) has stopped, \(Int(tenths) / 10).\(Int(tenths) % 10) s")
    }
}

struct RestartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restart",
        abstract: "New generation of workers, with the code and configuration of now.",
        discussion: """
            Returns when the new generation works, or with the reason why the old one goes on. Where hostd's own \
            executable has changed, hostd goes on as that: its sockets stay open, and all its processes are replaced.

            Example:
              cp omb.so plugins.d/ && queuectl restart && queuectl plugins
            """
    )

    @OptionGroup var global: GlobalOptions
    @OptionGroup var wait: WaitFlag

    func run() async throws {
        try await Self.perform(wait, by: Installation.hostd(global))
    }

    static func perform(_ wait: WaitFlag, by hostd: some ControlPort) async throws {
        let reply = try await hostd.ask("restart", wait.arguments)
        try Output.line(
            reply["text"]?.string.map { DisplayText($0).text }
                ?? "a new generation starts; queuectl plugins shows when it runs"
        )
    }
}
