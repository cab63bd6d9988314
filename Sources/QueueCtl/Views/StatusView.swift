// SPDX-License-Identifier: Apache-2.0
import Control
import FoundationEssentials

/// `queuectl status` for people.
struct StatusView {
    let status: JSONValue
    let now: Date
    /// What was shown before; its figures' changes are told.
    var previous: JSONValue?

    func rendered(in terminal: Terminal) -> String {
        [
            headline(terminal), needs(terminal),
            section("Queues", queues, none: "No queue has seen an item yet.", terminal),
            section("Lanes that back off", lanes, none: "No lane backs off.", terminal) + unlisted(terminal),
            section("Processes", processes, none: "No process runs.", terminal),
        ].joined(separator: "\n")
    }

    private func headline(_ terminal: Terminal) -> String {
        let hostd = status["hostd"]
        var parts = [terminal.paint("hostd " + DisplayText(hostd?["version"]?.string ?? "?").text, .bold)]
        if let pid = hostd?["pid"]?.int { parts.append("pid \(pid)") }
        if let uptime = hostd?["uptime_s"]?.int { parts.append("up " + Figures.span(seconds: uptime)) }
        if let used = status["store"]?["used_bytes"]?.int {
            parts.append("store " + Figures.bytes(used, of: status["store"]?["max_bytes"]?.int))
        }
        return parts.joined(separator: " · ") + "\n"
    }

    /// What somebody has to see to, first: each a sentence, whole.
    private func needs(_ terminal: Terminal) -> String {
        let sentences = (status["needs"]?.array ?? []).compactMap(\.string)
        guard !sentences.isEmpty else { return terminal.paint("Nothing needs a person.", .good) + "\n" }
        return terminal.paint("Needs a person", .bold) + "\n"
            + sentences.map { terminal.paint("! ", .warning) + DisplayText($0).text + "\n" }.joined()
    }

    private func unlisted(_ terminal: Terminal) -> String {
        let shown = Int64(status["lanes"]?.array?.count ?? 0)
        guard let total = status["lanes_total"]?.int, total > shown else { return "" }
        return terminal.paint("… \(Figures.count(total - shown)) more, \(Figures.count(total)) in all", .dim) + "\n"
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
        let before = Dictionary(
            (previous?["queues"]?.array ?? []).map { (QueueKey($0), $0) },
            uniquingKeysWith: { first, _ in first }
        )
        for row in status["queues"]?.array ?? [] {
            let old = before[QueueKey(row)]
            table.add([
                .init(row["queue"]?.string), .init(row["group"]?.string), .init(row["site"]?.string),
                count("ready", row, old), count("delayed", row, old, .warning), .init(count: row["claimed"]?.int),
                count("dead", row, old, .bad), rate(row["rate_in"]), rate(row["rate_out"]), note(row),
            ])
        }
        return table
    }

    private struct QueueKey: Hashable {
        let queue: String?
        let site: String?

        init(_ row: JSONValue) {
            queue = row["queue"]?.string
            site = row["site"]?.string
        }
    }

    /// `1,204 (+12)`: how many, and how many more or less than before.
    private func count(_ member: String, _ row: JSONValue, _ old: JSONValue?, _ ink: Ink? = nil) -> Table.Cell {
        guard let number = row[member]?.int, let before = old?[member]?.int, before != number else {
            return .init(count: row[member]?.int, ink)
        }
        let change = (number > before ? "+" : "") + Figures.count(number - before)
        return .init("\(Figures.count(number)) (\(change))", ink)
    }

    private func note(_ row: JSONValue) -> Table.Cell {
        if row["paused"]?.bool == true { return .init("paused", .warning) }
        guard let until = row["held_until"]?.string else { return .init(nil) }
        return .init("held, goes on " + Figures.upcoming(until, now: now), .warning)
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
                .init(state, Self.ink(ofLane: state)),
                .init(count: row["waiting"]?.int), .init(count: row["concurrency"]?.int),
                .init(row["next_attempt"]?.string.map { Figures.upcoming($0, now: now) }),
                .init(row["reason"]?.string),
            ])
        }
        return table
    }

    static func ink(ofLane state: String?) -> Ink? {
        switch state {
        case "open", "blocked": .bad
        case "half-open", "held": .warning
        default: nil
        }
    }

    private var processes: Table {
        var table = Table([
            .init(title: "ROLE"), .init(title: "PID", alignment: .trailing), .init(title: "PLUGIN"),
            .init(title: "VERSION"), .init(title: "GROUP"), .init(title: "GENERATION", alignment: .trailing),
            .init(title: "MEMORY", alignment: .trailing), .init(title: "IN FLIGHT", alignment: .trailing),
        ])
        for row in status["processes"]?.array ?? [] {
            table.add([
                .init(row["hunter"]?.bool == true ? "hunter" : row["role"]?.string),
                .init(row["pid"]?.int.map(String.init)), .init(row["plugin"]?.string),
                .init(row["version"]?.string), .init(row["group"]?.string),
                .init(row["generation"]?.int.map(String.init)),
                .init(row["rss_bytes"]?.int.map(Figures.bytes)), .init(count: row["in_flight"]?.int),
            ])
        }
        return table
    }
}
