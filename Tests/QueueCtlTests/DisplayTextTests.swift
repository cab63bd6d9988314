// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import QueueCtl

@Suite struct DisplayTextTests {
    @Test(
        "A text's width is what a terminal gives it",
        arguments: [
            ("", 0), ("abc", 3), ("bücher", 6), ("bu\u{308}cher", 6), ("日本", 4), ("한국", 4), ("👍", 2), ("👩‍👩‍👧", 2),
            ("❤️", 2), ("…", 1),
        ]
    )
    func width(text: String, columns: Int) { #expect(DisplayText(text).width == columns) }

    @Test("What would command the terminal or break the line is taken out")
    func control() {
        #expect(DisplayText("a\nb\tc").text == "a b c")
        #expect(DisplayText("\u{1B}[31mred\u{7}\r\u{9B}0m").text == "\u{FFFD}[31mred\u{FFFD}\u{FFFD}\u{FFFD}0m")
        #expect(DisplayText("evil\u{202E}txt.exe").text == "evil\u{FFFD}txt.exe")
        #expect(DisplayText("a\u{2028}b").text == "a\u{FFFD}b")
    }

    @Test("A cut text keeps to its limit, also where a wide character would stand on it")
    func shortened() {
        #expect(DisplayText("abcdefgh").shortened(to: 8, inMiddle: false).text == "abcdefgh")
        #expect(DisplayText("abcdefgh").shortened(to: 5, inMiddle: false).text == "abcd…")
        #expect(DisplayText("abcdefgh").shortened(to: 5, inMiddle: true).text == "ab…gh")
        #expect(DisplayText("日本語です").shortened(to: 6, inMiddle: false).text == "日本…")
        #expect(DisplayText("日本語です").shortened(to: 6, inMiddle: false).width == 5)
        for limit in 0...12 {
            #expect(DisplayText("x日y本z語").shortened(to: limit, inMiddle: true).width <= limit)
        }
    }
}
