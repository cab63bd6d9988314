// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import QueueCtl

@Suite struct TableTests {
    private func table() -> Table {
        var table = Table([
            .init(title: "NAME"), .init(title: "COUNT", alignment: .trailing), .init(title: "TARGET", cut: .middle),
            .init(title: "NOTE", cut: .end),
        ])
        table.add([.init("bücher"), .init(count: 1200), .init("http://a.example/omb"), .init("why it waits")])
        table.add([.init("日本"), .init(count: 0), .init("http://b.example/a/long/path/to/nowhere"), .init(nil)])
        return table
    }

    @Test("Columns are aligned by what a terminal shows, with nothing behind the last word")
    func aligned() {
        let expected = """
            NAME    COUNT  TARGET                                   NOTE
            bücher  1,200  http://a.example/omb                     why it waits
            日本        0  http://b.example/a/long/path/to/nowhere

            """
        #expect(table().rendered(in: .plain) == expected)
    }

    @Test("A narrow terminal cuts what may be cut, and no line is wider", arguments: [40, 50, 60])
    func cut(columns: Int) {
        let terminal = Terminal(isInteractive: true, columns: columns, hasColour: false)
        let lines = table().rendered(in: terminal).split(separator: "\n")
        #expect(lines.allSatisfy { DisplayText(String($0)).width <= columns })
        #expect(lines.contains { $0.contains("…") })
        #expect(lines.allSatisfy { !$0.hasSuffix(" ") })
    }

    @Test("Where nothing more may be cut the line is whole rather than wrong")
    func floor() {
        let terminal = Terminal(isInteractive: true, columns: 10, hasColour: false)
        #expect(table().rendered(in: terminal).contains("1,200"))
    }

    @Test("Colour is there only where the terminal has it")
    func colour() {
        var table = Table([.init(title: "STATE")])
        table.add([.init("open", .bad)])
        #expect(!table.rendered(in: .plain).contains("\u{1B}"))
        let colourful = Terminal(isInteractive: true, columns: 80, hasColour: true)
        #expect(table.rendered(in: colourful).contains("\u{1B}[31mopen\u{1B}[0m"))
    }

    @Test("The next page keeps the columns of the one before, without a heading")
    func pages() {
        let first = table()
        var next = Table(first.columns, widths: first.widths)
        next.add([.init("x"), .init(count: 1), .init("y"), .init("z")])
        #expect(
            next.rendered(in: .plain, heading: false) == "x           1  y                                        z\n"
        )
    }

    @Test("A watched screen is drawn over the one before, and cut where it is too tall")
    func screen() {
        let terminal = Terminal(isInteractive: true, columns: 80, rows: 4, hasColour: false)
        #expect(terminal.screen("a\n\nb\n") == "\u{1B}[Ha\u{1B}[K\n\u{1B}[K\nb\u{1B}[K\n\u{1B}[J")
        #expect(terminal.screen("a\nb\nc\nd\n").contains("b\u{1B}[K\n… 2 more lines\u{1B}[K\n\u{1B}[J"))
    }
}
