// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Twitter

@Suite struct WeightedTextTests {
    private func weight(_ text: String) -> Int { WeightedText(text).weight }

    @Test(
        "twitter-text's own cases: URLs, long texts, CJK, emoji, composition",
        arguments: [
            ("", 0), ("Hi http://test.co", 26), ("http://test.co", 23),
            (String(repeating: "https://www.twitter.com/aloha ", count: 10), 240),
            ("285 chars-" + String(repeating: "x", count: 275), 285),
            (String(repeating: "\u{6F22}", count: 160), 320), ("abc" + String(repeating: "\u{6F22}", count: 160), 323),
            (String(repeating: "\u{1F602}", count: 160), 320), ("A\u{301}B", 2), ("\u{C1}B", 2),
            ("H\u{1F431}\u{263A}\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}\u{200D}\u{1F466}", 7),
            ("\u{1F64B}\u{1F3FD}\u{1F468}\u{200D}\u{1F3A4}", 4),
            ("\u{1F602}\u{1F60D}\u{1F60A}\u{1F44D}\u{1F389}", 10),
            (String(repeating: "randomurl", count: 7) + "s.com", 68),
            ("\u{200E}\u{200F}", 4),
        ]
    )
    func conformance(text: String, expected: Int) {
        // U+200E and U+200F lie outside of twitter-text's range that ends with U+200D: 2 each.
        #expect(weight(text) == expected)
    }

    @Test(
        "An emoji is 2, whatever it is made of",
        arguments: [
            ("\u{263A}\u{FE0F}", 2), ("1\u{FE0F}\u{20E3}", 2), ("#\u{20E3}", 2), ("\u{1F1E8}\u{1F1ED}", 2),
            ("\u{1F3F4}\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}", 2), ("\u{A9}\u{FE0F}", 2),
            ("\u{A9}", 1), ("7", 1), ("\u{1F3F3}\u{FE0F}\u{200D}\u{1F308}", 2), ("\u{2764}\u{FE0F}", 2),
            ("\u{1F469}\u{1F3FF}\u{200D}\u{1F680}", 2), ("\u{1F600}\u{1F600}", 4),
        ]
    )
    func emoji(text: String, expected: Int) { #expect(weight(text) == expected) }

    @Test(
        "A URL is 23: with a scheme or a bare domain, up to its own end, and nothing else is one",
        arguments: [
            ("https://a.example.com/b?c=d&e=f#g", 23), ("(http://a.com/b)", 25), ("http://a.com/b_(c)", 23),
            ("http://a.com/b.", 24), ("http://a.com, and", 28), ("see example.com", 27), ("example.com/path", 23),
            ("two.de", 6), ("two.de/x", 23), ("a.two.de", 23), ("t.co", 23), ("end.Then", 8), ("me@example.com", 14),
            ("foo.bar@example.com", 19), ("#example.com", 12), ("http://localhost/x", 18), ("http://a.com:8080/x", 23),
            ("HTTP://A.COM", 23), ("http://m\u{FC}nchen.de/x", 23), ("1.5 and 2.0", 11), ("...", 3),
            ("http://-a.com", 13), ("\u{6F22}http://a.com", 25), ("xhttp://a.zzzz", 14),
        ]
    )
    func urls(text: String, expected: Int) { #expect(weight(text) == expected) }

    @Test(
        "The pieces are the text, whatever it is",
        arguments: ["", "a\r\nb", "e\u{301}\u{301}", "http://a.com \u{1F600}x"]
    )
    func whole(text: String) { #expect(WeightedText(text).pieces.map { String($0.text) }.joined() == text) }

    @Test("The valid part of a long text ends where twitter-text's does")
    func validRanges() {
        #expect(WeightedText(String(repeating: "x", count: 285)).prefix(weighing: 280).count == 280)
        for character in ["\u{6F22}", "\u{1F602}"] {
            #expect(WeightedText(String(repeating: character, count: 160)).prefix(weighing: 280).count == 140)
        }
    }

    @Test("A prefix ends at a whole character, never inside a URL, never with white space")
    func prefixes() {
        #expect(WeightedText("ab http://example.com/long cd").prefix(weighing: 25) == "ab")
        #expect(WeightedText("ab http://example.com/long cd").prefix(weighing: 26) == "ab http://example.com/long")
        #expect(WeightedText("\u{1F602}\u{1F602}").prefix(weighing: 3) == "\u{1F602}")
        #expect(WeightedText("e\u{301}e\u{301}").prefix(weighing: 1).unicodeScalars.count == 2)
        #expect(WeightedText("   ").prefix(weighing: 3).isEmpty && WeightedText("abc").prefix(weighing: 0).isEmpty)
    }
}
