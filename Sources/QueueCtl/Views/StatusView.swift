// SPDX-License-Identifier: Apache-2.0
import Control
import FoundationEssentials

/// `queuectl status` for people.
struct StatusView {
    let status: JSONValue
    let now: Date

    func rendered(in terminal: Terminal) -> String {
        [
            headline(terminal) + attention(terminal),
            section("Queues", queues, none: "No queue has seen an item yet.", terminal),
            section("Lanes that back off", lanes, none: "No lane backs off.", terminal),
            section("Processes", processes, none: "No process runs.", terminal),
        ].joined(separator: "\n")
    }

    private func headline(_ terminal: Terminal) -> String {
        let hostd = status["hostd"]
        var parts = [terminal.paint("hostd " + DisplayText(hostd?["version"]?.string ?? "?").text, .bold)]
        if let pid = hostd?["pid"]?.int { parts.append("pid \(pid)") }
        if let uptime = hostd?["uptime_s"]?.int { parts.append("up " + Figures.span(seconds: uptime)) }
        return parts.joined(separator: " · ") + "\n"
    }

    private func attention(_ terminal: Terminal) -> String {
        let sentences = status["attention"]?.array?.compactMap(\.string) ?? []
        return sentences.map { terminal.paint("! " + DisplayText($0).text, .bad) + "\n" }.joined()
    }

    private func section(_ title: String, _ table: Table, none: String, _ terminal: Terminal) -> String {
        terminal.paint(title, .bold) + "\n"
            + (table.rows.isEmpty ? terminal.paint(none, .dim) + "\n" : table.rendered(in: terminal))
    }

    private var queues: Table {
        var table = Table([
            .init(title: "QUEUE"), .init(title: "GROUP"), .init(title: "SITE"),
            .init(title: "READY", alignment: .trailing), .init(title: "DELAYED", alignment: .trailing),
            .init(title: "IN FLIGHT", alignment: .trailing), .init(title: "DEAD", alignment: .trailing),
            .init(title: "IN/S", alignment: .trailing), .init(title: "OUT/S", alignment: .trailing), .init(title: ""),
        ])
        for row in status["queues"]?.array ?? [] {
            table.add([
                .init(row["queue"]?.string), .init(row["group"]?.string), .init(row["site"]?.string),
                .init(count: row["ready"]?.int), .init(count: row["delayed"]?.int, .warning),
                .init(count: row["claimed"]?.int), .init(count: row["dead"]?.int, .bad), rate(row["rate_in"]),
                rate(row["rate_out"]), row["paused"]?.bool == true ? .init("paused", .warning) : .init(nil),
            ])
        }
        return table
    }

    private func rate(_ value: JSONValue?) -> Table.Cell {
        guard let number = value?.number else { return .init("-", .dim) }
        return .init(Figures.rate(number), number == 0 ? .dim : nil)
    }

    private var lanes: Table {
        var table = Table([
            .init(title: "SITE"), .init(title: "QUEUE"), .init(title: "TARGET", cut: .middle), .init(title: "CIRCUIT"),
            .init(title: "WAITING", alignment: .trailing), .init(title: "AT ONCE", alignment: .trailing),
            .init(title: "NEXT ATTEMPT"), .init(title: "REASON", cut: .end),
        ])
        for row in status["lanes"]?.array ?? [] {
            let state = row["state"]?.string
            table.add([
                .init(row["site"]?.string), .init(row["queue"]?.string), .init(row["target"]?.string),
                .init(state, state == "open" ? .bad : state == "half-open" ? .warning : nil),
                .init(count: row["waiting"]?.int), .init(count: row["concurrency"]?.int),
                .init(row["next_attempt"]?.string.map { Figures.upcoming($0, now: now) }),
                .init(row["reason"]?.string),
            ])
        }
        return table
    }

    private var processes: Table {
        var table = Table([
            .init(title: "ROLE"), .init(title: "PID", alignment: .trailing), .init(title: "PLUGIN"),
            .init(title: "GROUP"), .init(title: "GENERATION", alignment: .trailing),
            .init(title: "MEMORY", alignment: .trailing), .init(title: "IN FLIGHT", alignment: .trailing),
        ])
        for row in status["processes"]?.array ?? [] {
            table.add([
                .init(row["role"]?.string), .init(row["pid"]?.int.map(String.init)), .init(row["plugin"]?.string),
                .init(row["group"]?.string), .init(row["generation"]?.int.map(String.init)),
                .init(row["rss_bytes"]?.int.map(Figures.bytes)), .init(count: row["in_flight"]?.int),
            ])
        }
        return table
    }
}
