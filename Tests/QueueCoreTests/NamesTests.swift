// SPDX-License-Identifier: Apache-2.0
import Foundation
import QueueCore
import Testing

@Suite struct NamesTests {
    @Test(
        "A letter, digit or underscore, then letters, digits, underscores, dots and hyphens, up to 64",
        arguments: [
            "a", "Z", "0", "_", "a.b-c_d", "omb", "0-9.", String(repeating: "x", count: 64), "ABCXYZabcxyz0189",
        ]
    )
    func legal(_ text: String) {
        #expect(SiteName(text)?.rawValue == text)
        #expect(QueueName(text) != nil && GroupName(text) != nil && PluginName(text) != nil)
    }

    @Test(
        "Anything else is refused",
        arguments: [
            "", ".", "-", ".a", "-a", "..", "a b", "a/b", "a\\b", "a:b", "a\nb", "a\0b", " a", "a ", "ä", "aä", "ａ",
            "a\u{301}", "a'b", "a\"b", "a;b", "a@b", "a[b", "a`b", "a{b", String(repeating: "x", count: 65),
        ]
    )
    func illegal(_ text: String) {
        #expect(SiteName(text) == nil)
        #expect(QueueName(text) == nil && GroupName(text) == nil && PluginName(text) == nil)
    }

    @Test("They sort by their bytes and print as they are")
    func order() {
        let names = ["b", "a", "B", "_", "1"].compactMap { SiteName($0) }
        #expect(names.sorted().map(\.description) == ["1", "B", "_", "a", "b"])
    }

    @Test("In JSON a name is a string, also as a key")
    func json() throws {
        let sites = [SiteName(unchecked: "alice"): [QueueName.notice, QueueName(unchecked: "out")]]
        let data = try JSONEncoder().encode(sites)
        #expect(String(decoding: data, as: UTF8.self) == #"{"alice":["notice","out"]}"#)
        let back = try JSONDecoder().decode([SiteName: [QueueName]].self, from: data)
        #expect(back == sites)
    }

    @Test("An illegal name in JSON is refused", arguments: [#"["a/b"]"#, #"[""]"#, #"[".."]"#, "[1]", "[null]"])
    func illegalJSON(_ text: String) {
        #expect(throws: DecodingError.self) { try JSONDecoder().decode([PluginName].self, from: Data(text.utf8)) }
    }

    @Test("hostd's own names are legal")
    func ownNames() {
        #expect(QueueName(QueueName.notice.rawValue) == .notice)
        #expect(GroupName(GroupName.main.rawValue) == .main)
    }
}
