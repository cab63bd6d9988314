// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control

struct SitesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sites",
        abstract: "The sites, and the plugins that are enabled on each.",
        discussion: "Example:\n  queuectl sites"
    )

    @OptionGroup var global: GlobalOptions
    @OptionGroup var format: JSONFlag

    func run() async throws {
        let sites = try await Installation.load(global).hostd().ask("sites")
        if format.json { return try Output.line(JSONText.document(sites)) }
        try Output.write(SitesView(sites: sites.array ?? []).rendered(in: .standardOutput()))
    }
}
