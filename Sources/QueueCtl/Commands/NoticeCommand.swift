// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import FoundationEssentials

struct NoticeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "notice",
        abstract: "Where is my post: each target of a notice, and why it waits.",
        discussion: """
            Example:
              queuectl notice 42
              queuectl notice http://alice.example/notice/42 -s alice --json
            """
    )

    @OptionGroup var global: GlobalOptions
    @OptionGroup var site: SiteOption
    @OptionGroup var format: JSONFlag
    @Flag(help: "List delivered targets too; --json always does.") var all = false
    @Argument(help: ArgumentHelp("The notice's number or URI.", valueName: "id")) var notice: String

    func run() async throws {
        let search = NoticeSearch(
            notice: notice,
            site: site.site?.value,
            hostd: try await Installation.hostd(global)
        )
        let found = try await search.first()
        guard !found.isEmpty else { throw QueueCtlError.unknownNotice(DisplayText(notice).text) }
        if format.json { try await printJSON(found, search) } else { try await printText(found, search) }
    }

    private func printText(_ notices: [JSONValue], _ search: NoticeSearch<Hostd>) async throws {
        let terminal = Terminal.standardOutput()
        let view = NoticeView(now: .now)
        for (index, notice) in notices.enumerated() {
            try Output.write((index == 0 ? "" : "\n") + view.headline(notice, in: terminal))
            var widths: [Int] = []
            try await search.eachPage(of: notice) { page in
                let items = all ? page : page.filter { $0["state"]?.string != "delivered" }
                guard !items.isEmpty else { return }
                let table = view.page(items, after: widths)
                try Output.write((widths.isEmpty ? "\n" : "") + table.rendered(in: terminal, heading: widths.isEmpty))
                widths = table.widths
            }
        }
    }

    /// One notice is an object; where several sites have one of that number, `{"notices": [...]}`.
    private func printJSON(_ notices: [JSONValue], _ search: NoticeSearch<Hostd>) async throws {
        if notices.count > 1 { try Output.write("{\"notices\":[") }
        for (index, notice) in notices.enumerated() {
            var members = notice.object ?? [:]
            members["items"] = nil
            members["next"] = nil
            let head = try JSONText.line(.object(members)).dropLast()
            try Output.write((index == 0 ? "" : ",") + head + (members.isEmpty ? "" : ",") + "\"items\":")
            var items = JSONArrayWriter()
            try await search.eachPage(of: notice) { page in
                for item in page { try items.append(item) }
            }
            try items.end(suffix: "}")
        }
        if notices.count > 1 { try Output.line("]}") }
    }
}

/// Asks for a notice, page by page: a notice may have a million targets.
struct NoticeSearch<Port: ControlPort> {
    let notice: String
    let site: JSONValue?
    let hostd: Port

    /// What is known, one for each site that has it, each with its first page of items.
    func first() async throws -> [JSONValue] {
        let reply = try await hostd.ask("notice", arguments(site: site, after: nil))
        return reply["notices"]?.array ?? (reply["notice"] == nil ? [] : [reply])
    }

    func eachPage(of found: JSONValue, _ use: ([JSONValue]) throws -> Void) async throws {
        var page = found
        while true {
            try use(page["items"]?.array ?? [])
            guard let next = page["next"], next != .null else { return }
            let reply = try await hostd.ask("notice", arguments(site: found["site"], after: next))
            guard let more = reply["notices"]?.array?.first ?? Optional(reply), more["next"] != next else { return }
            page = more
        }
    }

    private func arguments(site: JSONValue?, after: JSONValue?) -> [String: JSONValue] {
        var arguments: [String: JSONValue] = ["notice": .string(notice)]
        arguments["site"] = site
        arguments["after"] = after
        return arguments
    }
}
