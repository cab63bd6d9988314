// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import FoundationEssentials

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "What needs a person, queues with their rates, lanes that back off, processes.",
        discussion: """
            Example:
              queuectl status
              queuectl status --watch
              queuectl status --json | jq -r '.needs[]'
            """
    )

    @OptionGroup var global: GlobalOptions
    @OptionGroup var format: JSONFlag
    @Flag(
        name: [.short, .long],
        help:
            "Again every second, until q or Ctrl-C; into a pipe as blocks with the time, with --json one document a line."
    )
    var watch = false

    func run() async throws {
        let hostd = try await Installation.hostd(global)
        if watch { return try await watching(hostd) }
        let status = try await hostd.ask("status")
        let text =
            try format.json
            ? JSONText.document(status) + "\n" : StatusView(status: status, now: .now).rendered(in: .standardOutput())
        try Output.write(text)
    }

    private func watching(_ hostd: some ControlPort) async throws {
        let screen = format.json ? nil : WatchScreen.begin()
        defer { screen?.end() }
        var shown: (status: JSONValue, at: Date)?
        var previous: JSONValue?
        for await event in WatchClock.events(isOnScreen: screen != nil) {
            switch event {
            case .quit: return
            case .second:
                previous = shown?.status
                shown = (try await hostd.ask("status"), .now)
            // The same again, as wide as the terminal is now.
            case .resized: screen?.clear()
            }
            guard let shown else { continue }
            if format.json {
                try Output.line(try JSONText.line(shown.status))
                continue
            }
            let terminal = Terminal.standardOutput()
            let view = StatusView(status: shown.status, now: shown.at, previous: previous)
            let text = view.rendered(in: terminal)
            try Output.write(screen == nil ? "\(shown.at.formatted(.iso8601))\n\(text)\n" : terminal.screen(text))
        }
    }
}
