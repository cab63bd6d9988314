// SPDX-License-Identifier: Apache-2.0
import Control
import FoundationEssentials

/// What `queuectl target` says to people.
struct TargetView {
    let reply: JSONValue
    let now: Date

    func target(in terminal: Terminal) -> String {
        var text = terminal.paint(DisplayText(reply["target"]?.string ?? "?").text, .bold) + "\n"
        let delivered = reply["last_delivered"]?.string.map { Figures.moment($0, now: now) }
        text += "last delivered  \(delivered ?? "nothing that is known")\n"
        let failure = reply["last_failure"]
        if let time = failure?["time"]?.string {
            let reason = failure?["reason"]?.string.flatMap { $0.isEmpty ? nil : ": " + DisplayText($0).text } ?? ""
            text += "last failure    \(Figures.moment(time, now: now))\(reason)\n"
        }
        let rows = reply["lanes"]?.array ?? []
        guard !rows.isEmpty else { return text + "\n" + terminal.paint("Nothing waits for it.", .dim) + "\n" }
        var table = Table([
            .init(title: "SITE"), .init(title: "QUEUE"), .init(title: "STATE"),
            .init(title: "WAITING", alignment: .trailing), .init(title: "IN FLIGHT", alignment: .trailing),
            .init(title: "AT ONCE", alignment: .trailing), .init(title: "FAILED", alignment: .trailing),
            .init(title: "NEXT ATTEMPT"), .init(title: "REASON", cut: .end),
        ])
        for row in rows {
            let state = row["state"]?.string
            table.add([
                .init(row["site"]?.string), .init(row["queue"]?.string),
                .init(state, StatusView.ink(ofLane: state)), .init(count: row["waiting"]?.int),
                .init(count: row["in_flight"]?.int), .init(count: row["concurrency"]?.int),
                .init(count: row["attempts"]?.int, .warning),
                .init(row["next_attempt"]?.string.map { Figures.upcoming($0, now: now) }), .init(row["reason"]?.string),
            ])
        }
        return text + "\n" + table.rendered(in: terminal)
    }

    func blocks(in terminal: Terminal) -> String {
        let rows = reply["blocks"]?.array ?? []
        guard !rows.isEmpty else { return "No target is blocked.\n" }
        var table = Table([.init(title: "PATTERN", cut: .middle), .init(title: "SITE"), .init(title: "SINCE")])
        for row in rows {
            table.add([
                .init(row["pattern"]?.string), .init(row["site"]?.string ?? "all"),
                .init(row["since"]?.string.map { Figures.moment($0, now: now) }),
            ])
        }
        return table.rendered(in: terminal)
    }

    var retried: String {
        let waiting = reply["waiting"]?.int ?? 0
        if reply["blocked"]?.bool == true { return "it is blocked: unblock it first" }
        let lanes = reply["lanes"]?.int ?? 0
        if lanes == 0, waiting == 0 { return "nothing backs off there" }
        return "\(Figures.count(waiting)) waiting: tried now"
    }

    func replayed(isDryRun: Bool) -> String {
        var parts = ["\(Figures.count(reply["count"]?.int ?? 0)) \(isDryRun ? "would be sent again" : "sent again")"]
        if let gone = reply["frame_gone"]?.int, gone > 0 {
            parts.append("\(Figures.count(gone)) can't be: their frame is gone")
        }
        if let refused = reply["refused"]?.int, refused > 0 {
            parts.append("\(Figures.count(refused)) can't be: their site or plugin is gone")
        }
        return parts.joined(separator: ", ")
    }

    func changed(_ pattern: String, of site: String?, to verb: TargetCommand.Verb) -> String {
        let name = DisplayText(pattern).text
        let place = site.map { " for site \($0)" } ?? ""
        guard verb == .block else { return "\(name): unblocked\(place)" }
        let rest = reply["dropped"]?.int.map { "\(Figures.count($0)) dropped" } ?? "what waits is kept"
        return "\(name): blocked\(place), \(rest); queuectl target '\(name)' unblock goes on"
    }
}
