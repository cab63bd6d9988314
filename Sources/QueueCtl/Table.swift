// SPDX-License-Identifier: Apache-2.0
import Control

/// Rows in aligned columns.
///
/// Pure: the terminal's width and its colours are told.
///
/// A long list comes in several tables, one a page: each carries on with the widths of the one before.
struct Table {
    enum Alignment { case leading, trailing }

    /// What may be cut where the terminal is too narrow.
    enum Cut { case never, end, middle }

    struct Column {
        let title: String
        var alignment = Alignment.leading
        var cut = Cut.never
    }

    struct Cell {
        let text: DisplayText
        var ink: Ink?

        init(_ text: String?, _ ink: Ink? = nil) {
            self.text = DisplayText(text ?? "")
            self.ink = ink
        }

        /// A count; a zero stands back.
        init(count: Int64?, _ ink: Ink? = nil) {
            self.init(count.map(Figures.count) ?? "-", (count ?? 0) == 0 ? .dim : ink)
        }
    }

    let columns: [Column]
    private(set) var rows: [[Cell]] = []
    private(set) var widths: [Int]

    init(_ columns: [Column], widths: [Int] = []) {
        self.columns = columns
        self.widths = columns.enumerated().map { index, column in
            max(DisplayText(column.title).width, index < widths.count ? widths[index] : 0)
        }
    }

    mutating func add(_ row: [Cell]) {
        precondition(row.count == columns.count, "a row has a cell for each column")
        rows.append(row)
        for (index, cell) in row.enumerated() { widths[index] = max(widths[index], cell.text.width) }
    }

    /// Lines, each with a newline at its end.
    func rendered(in terminal: Terminal, heading: Bool = true) -> String {
        let widths = fitted(to: terminal.columns)
        var text = ""
        if heading { text += line(columns.map { Cell($0.title, .bold) }, widths, terminal) }
        for row in rows { text += line(row, widths, terminal) }
        return text
    }

    private static let gap = 2
    /// A column isn't cut below this: less says nothing.
    private static let leastWidth = 8

    private func fitted(to limit: Int?) -> [Int] {
        var widths = widths
        guard let limit else { return widths }
        var excess = widths.reduce(0, +) + Self.gap * (widths.count - 1) - limit
        while excess > 0 {
            // The widest of those that may be cut gives a column.
            let candidates = widths.indices.filter { columns[$0].cut != .never && widths[$0] > Self.leastWidth }
            guard let widest = candidates.max(by: { widths[$0] < widths[$1] }) else { break }
            widths[widest] -= 1
            excess -= 1
        }
        return widths
    }

    private func line(_ row: [Cell], _ widths: [Int], _ terminal: Terminal) -> String {
        var line = ""
        // Columns that are only owed: nothing is padded behind the last word.
        var owed = 0
        for (index, cell) in row.enumerated() {
            let column = columns[index]
            let shown = cell.text.shortened(to: widths[index], inMiddle: column.cut == .middle)
            let padding = widths[index] - shown.width
            if column.alignment == .trailing { owed += padding }
            if !shown.text.isEmpty {
                line += String(repeating: " ", count: owed) + terminal.paint(shown.text, cell.ink)
                owed = 0
            }
            if column.alignment == .leading { owed += padding }
            owed += Self.gap
        }
        return line + "\n"
    }
}
