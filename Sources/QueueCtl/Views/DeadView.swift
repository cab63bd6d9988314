// SPDX-License-Identifier: Apache-2.0
import Control
import FoundationEssentials

/// `queuectl dead list` and `show` for people.
struct DeadView {
    let now: Date

    /// One page; `widths` are those of the page before, so that columns stay where they are.
    func page(_ letters: [JSONValue], after widths: [Int]) -> Table {
        var table = Table(
            [
                .init(title: "ID", alignment: .trailing), .init(title: "SITE"), .init(title: "QUEUE"),
                .init(title: "TARGET", cut: .middle), .init(title: "REASON"),
                .init(title: "ATTEMPTS", alignment: .trailing), .init(title: "KILLS", alignment: .trailing),
                .init(title: "MAYBE", alignment: .trailing), .init(title: "DIED"), .init(title: "TEXT", cut: .end),
            ],
            widths: widths
        )
        for letter in letters {
            table.add([
                .init(letter["id"]?.int.map(String.init)), .init(letter["site"]?.string),
                .init(letter["queue"]?.string), .init(letter["target"]?.string), .init(letter["reason"]?.string, .bad),
                .init(count: letter["attempts"]?.int), .init(count: letter["kills"]?.int),
                .init(count: letter["maybe"]?.int, .warning),
                .init(letter["died"]?.string.map { Figures.moment($0, now: now) }), .init(letter["text"]?.string),
            ])
        }
        return table
    }

    /// Everything about one, its frame included.
    func letter(_ letter: JSONValue, in terminal: Terminal) -> String {
        var text = terminal.paint("Dead letter \(letter["id"]?.int.map(String.init) ?? "?")", .bold) + "\n"
        func line(_ label: String, _ value: String?, _ ink: Ink? = nil) {
            guard let value, !value.isEmpty else { return }
            let name = DisplayText(label)
            let padding = String(repeating: " ", count: max(1, 10 - name.width))
            text += "  \(terminal.paint(name.text, .dim))\(padding)\(terminal.paint(DisplayText(value).text, ink))\n"
        }
        func moment(_ name: String) -> String? {
            letter[name]?.string.map { "\($0) (\(Figures.moment($0, now: now)))" }
        }
        line("site", letter["site"]?.string)
        line("queue", letter["queue"]?.string)
        line("target", letter["target"]?.string)
        line("reason", letter["reason"]?.string, .bad)
        line("text", letter["text"]?.string)
        line("attempts", letter["attempts"]?.int.map(Figures.count))
        line("kills", letter["kills"]?.int.map(Figures.count))
        if let maybe = letter["maybe"]?.int, maybe > 0 {
            line("maybe", "\(maybe) sent without an answer: it may have arrived", .warning)
        }
        line("enqueued", moment("enqueued"))
        line("died", moment("died"))
        // As the producer sent them, `name:value` a line.
        for header in letter["headers"]?.string?.split(separator: "\n") ?? [] {
            guard let colon = header.firstIndex(of: ":") else { continue }
            line(String(header[..<colon]), String(header[header.index(after: colon)...]))
        }
        text += body("frame", letter["frame"], encoding: letter["encoding"]?.string, terminal)
        text += body("shared", letter["shared"], encoding: letter["shared_encoding"]?.string, terminal)
        return text
    }

    private func body(_ label: String, _ value: JSONValue?, encoding: String?, _ terminal: Terminal) -> String {
        guard let value = value?.string, !value.isEmpty else { return "" }
        let note = encoding.map { " (\($0))" } ?? ""
        // Its own newlines are kept; everything else a terminal could be commanded with isn't.
        let lines = value.split(separator: "\n", omittingEmptySubsequences: false).map {
            "    " + DisplayText(String($0)).text
        }
        return "  \(terminal.paint(label + note, .dim))\n\(lines.joined(separator: "\n"))\n"
    }
}
