// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control

struct PluginsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plugins",
        abstract: "Every file in plugins.d: loaded, or why not.",
        discussion: """
            Example:
              queuectl plugins
              queuectl plugins --json | jq -r '.[] | select(.state != "loaded") | .reason'
            """
    )

    @OptionGroup var global: GlobalOptions
    @OptionGroup var format: JSONFlag

    func run() async throws {
        let plugins = try await Installation.hostd(global).ask("plugins")
        if format.json { return try Output.line(JSONText.document(plugins)) }
        try Output.write(PluginsView(plugins: plugins.array ?? []).rendered(in: .standardOutput()))
    }
}
