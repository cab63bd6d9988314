// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import QueueCore

struct UpdateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "update",
        abstract: "Read a site's configuration again: changed, new or removed.",
        discussion: "Example:\n  queuectl update -s alice"
    )

    @OptionGroup var global: GlobalOptions
    @OptionGroup var site: RequiredSiteOption

    func run() async throws {
        try await Self.perform(site.site, by: Installation.load(global).hostd())
    }

    static func perform(_ site: SiteArgument, by hostd: some ControlPort) async throws {
        let reply = try await hostd.ask("update", ["site": site.value])
        try Output.line(reply["text"]?.string.map { DisplayText($0).text } ?? "\(site.name): configuration read again")
    }
}

struct StopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop",
        abstract: "Graceful stop: finish what is in flight, keep the rest.",
        discussion: "Example:\n  queuectl stop"
    )

    @OptionGroup var global: GlobalOptions

    func run() async throws {
        try await Self.perform(by: Installation.load(global).hostd())
    }

    static func perform(by hostd: some ControlPort) async throws {
        let reply = try await hostd.ask("stop")
        try Output.line(
            reply["text"]?.string.map { DisplayText($0).text } ?? "hostd finishes what is in flight, then stops"
        )
    }
}

struct RestartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restart",
        abstract: "New generation of workers, with the code and configuration of now.",
        discussion: """
            Where hostd's own executable has changed, hostd goes on as that: its sockets stay open, and all its processes \
            are replaced.

            Example:
              cp omb.so plugins.d/ && queuectl restart && queuectl plugins
            """
    )

    @OptionGroup var global: GlobalOptions

    func run() async throws {
        try await Self.perform(by: Installation.load(global).hostd())
    }

    static func perform(by hostd: some ControlPort) async throws {
        let reply = try await hostd.ask("restart")
        try Output.line(
            reply["text"]?.string.map { DisplayText($0).text }
                ?? "a new generation starts; queuectl plugins shows when it runs"
        )
    }
}
