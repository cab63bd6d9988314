// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import FoundationEssentials

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Processes, queues with their rates, and lanes that back off.",
        discussion: """
            Example:
              queuectl status
              queuectl status --watch
              queuectl status --json | jq '.queues[] | select(.dead > 0)'
            """
    )

    @OptionGroup var global: GlobalOptions
    @OptionGroup var format: JSONFlag
    @Flag(name: [.short, .long], help: "Again every two seconds, until Ctrl-C; with --json one document a line.")
    var watch = false

    func run() async throws {
        let hostd = try await Installation.load(global).hostd()
        guard watch else { return try Output.write(try await text(from: hostd)) }
        while true {
            let text = try await text(from: hostd)
            let terminal = Terminal.standardOutput()
            try Output.write(terminal.isInteractive && !format.json ? terminal.screen(text) : text)
            try await Task.sleep(for: .seconds(2))
        }
    }

    private func text(from hostd: some ControlPort) async throws -> String {
        let status = try await hostd.ask("status")
        if format.json { return try (watch ? JSONText.line(status) : JSONText.document(status)) + "\n" }
        return StatusView(status: status, now: .now).rendered(in: .standardOutput())
    }
}
