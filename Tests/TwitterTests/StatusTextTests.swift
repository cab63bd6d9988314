// SPDX-License-Identifier: Apache-2.0

import PluginKit
import Testing

@testable import Twitter

@Suite struct StatusTextTests {
    private let link = "http://alice.example.com/notice/42"

    @Test("A text that fits goes as it is, up to the last character")
    func fits() {
        for text in ["Hello", String(repeating: "x", count: 280), String(repeating: "\u{6F22}", count: 140)] {
            #expect(StatusText.make(content: text, link: link, limit: 280) == text)
        }
    }

    @Test(
        "One that is too long is cut at a whole character, with an ellipsis and the notice's URL, and weighs 280 at most",
        arguments: [
            String(repeating: "x", count: 281), String(repeating: "\u{6F22}", count: 141),
            String(repeating: "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}", count: 10_000),
            String(repeating: "e\u{301}", count: 300), String(repeating: "word ", count: 60),
            String(repeating: "http://example.com/1 ", count: 20),
        ]
    )
    func cut(content: String) {
        let text = StatusText.make(content: content, link: link, limit: 280)
        let end = " \u{2026} " + link
        #expect(text.hasSuffix(end))
        let start = String(text.dropLast(end.count))
        #expect(content.hasPrefix(start) && start.last?.isWhitespace == false)
        let weight = WeightedText(text).weight
        // A URL is not cut, so up to one of them is missing.
        #expect(weight <= 280 && weight >= 280 - WeightedText.urlWeight - 1)
    }

    @Test("Without a URL, or with one that leaves no room, only the ellipsis")
    func noLink() {
        let long = String(repeating: "x", count: 300)
        #expect(
            StatusText.make(content: long, link: nil, limit: 280) == String(repeating: "x", count: 277) + " \u{2026}"
        )
        let endless = "http://localhost/" + String(repeating: "y", count: 400)
        #expect(
            StatusText.make(content: long, link: endless, limit: 280) == String(repeating: "x", count: 277)
                + " \u{2026}"
        )
    }

    @Test(
        "!group is #group, at the beginning and after white space",
        arguments: [
            ("!a !b\n!c", "#a #b\n#c"), ("hi!a", "hi!a"), ("! a", "! a"), ("!!a", "!!a"), ("!\u{E9}", "!\u{E9}"),
            ("!_a", "!_a"),
            ("wow!", "wow!"), ("!9", "#9"),
        ]
    )
    func groups(content: String, expected: String) { #expect(StatusText.withGroupsAsTags(content) == expected) }

    @Test(
        "A reply begins with the name of an account",
        arguments: [
            ("@bob hi", true), ("@bob", true), ("@a_b9, you", true), ("@bob@home", true), (" @bob", false),
            ("@", false),
            ("@ bob", false), ("hi @bob", false), ("@abcdefghijklmno", true), ("@abcdefghijklmnop", false),
        ]
    )
    func replies(content: String, isReply: Bool) { #expect(StatusText.isReply(content) == isReply) }
}
