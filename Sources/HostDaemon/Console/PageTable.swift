// SPDX-License-Identifier: Apache-2.0
import Control
import FoundationEssentials

/// A section of the page with one table.
struct PageTable {
    private let titles: [String]
    private var rows: [HTML] = []

    /// A title that begins with `#` is of a column of numbers.
    init(_ titles: [String]) {
        self.titles = titles
    }

    struct Cell {
        fileprivate let style: String
        fileprivate let content: HTML

        static let empty = Cell(style: "", content: "")

        static func text(_ value: JSONValue?) -> Cell { Cell(style: "w", content: "\(value?.string ?? "")") }
        /// Text that may break anywhere, as a URL.
        static func long(_ value: JSONValue?) -> Cell { Cell(style: "t", content: "\(value?.string ?? "")") }

        static func words(_ value: JSONValue?) -> Cell {
            Cell(style: "", content: "\((value?.array ?? []).compactMap(\.string).joined(separator: " "))")
        }

        static func number(_ value: JSONValue?) -> Cell {
            // A plugin's workers are a number or their list.
            let number = value?.int ?? value?.array.map { Int64($0.count) }
            return Cell(style: "n", content: "\(number.map(String.init) ?? "")")
        }

        static func count(_ value: JSONValue?) -> Cell {
            Cell(style: (value?.int ?? 0) == 0 ? "n z" : "n", content: "\(value?.int.map(Figures.count) ?? "")")
        }

        static func rate(_ value: JSONValue?) -> Cell {
            Cell(style: (value?.number ?? 0) == 0 ? "n z" : "n", content: "\(value?.number.map(Figures.rate) ?? "")")
        }

        static func bytes(_ value: JSONValue?) -> Cell {
            Cell(style: "n", content: "\(value?.int.map(Figures.bytes) ?? "")")
        }

        static func upcoming(_ value: JSONValue?, now: Date) -> Cell {
            Cell(style: "w", content: "\(value?.string.map { Figures.upcoming($0, now: now) } ?? "")")
        }

        static func moment(_ value: JSONValue?, now: Date) -> Cell {
            Cell(style: "w", content: "\(value?.string.map { Figures.moment($0, now: now) } ?? "")")
        }

        static func pill(_ text: String, _ look: String) -> Cell {
            Cell(style: "w", content: "<span class=\"pill \(look)\">\(text)</span>")
        }
    }

    /// `note`: why this row is as it is, on a line of its own.
    mutating func add(_ cells: [Cell], note: String? = nil, isAlarm: Bool = true) {
        precondition(cells.count == titles.count, "a row has a cell for each title")
        let note = note.flatMap { $0.isEmpty ? nil : $0 }
        let columns = HTML.joined(cells.map { "<td class=\"\($0.style)\">\($0.content)</td>" })
        rows.append("<tr class=\"\(note == nil ? "" : "noted")\">\(columns)</tr>")
        guard let note else { return }
        let style = isAlarm ? "why alarm" : "why"
        rows.append("<tr><td class=\"\(style)\" colspan=\"\(titles.count)\">\(note)</td></tr>")
    }

    func section(_ title: String, note: String, none: String) -> HTML {
        let head: HTML = "<div class=\"head\"><h2>\(title)</h2><span>\(note)</span></div>"
        guard !rows.isEmpty else { return "<section>\(head)<p class=\"none\">\(none)</p></section>" }
        let heading = HTML.joined(
            titles.map { title in
                title.hasPrefix("#") ? "<th class=\"n\">\(String(title.dropFirst()))</th>" : "<th>\(title)</th>"
            }
        )
        return """
            <section>\(head)<div class="scroll"><table><thead><tr>\(heading)</tr></thead>\
            <tbody>\(HTML.joined(rows))</tbody></table></div></section>
            """
    }
}
