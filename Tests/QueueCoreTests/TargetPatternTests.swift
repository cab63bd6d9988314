// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import QueueCore

@Suite struct TargetPatternTests {
    @Test(
        "A pattern matches what an operator means by it",
        arguments: [
            ("http://a.example/omb", "http://a.example/omb"), ("bob@a.example", "bob@a.example"),
            ("a.example", "http://a.example/omb"), ("a.example", "https://A.Example:8443/x?y#z"),
            ("A.Example", "http://user:secret@a.example./omb"), ("a.example", "bob@a.example/phone"),
            ("a.example:8080", "http://a.example:8080/omb"), ("127.0.0.1", "http://127.0.0.1:9/t/1"),
            ("127.0.0.1:9", "http://127.0.0.1:9/t/1"), ("[::1]", "http://[::1]:9/t"), ("[::1]:9", "http://[::1]:9/t"),
            ("*.example", "http://a.example/"), ("*.example", "http://deep.a.example/"),
            ("*.a.example", "bob@b.a.example"), ("*.EXAMPLE", "http://a.example"), ("1234567", "1234567"),
        ]
    )
    func matches(pattern: String, target: String) throws {
        #expect(try #require(TargetPattern(pattern)).matches(target))
    }

    @Test(
        "It matches nothing else",
        arguments: [
            ("http://a.example/omb", "http://a.example/omb/2"), ("http://a.example/omb", "https://a.example/omb"),
            ("a.example", "http://b.a.example/"), ("a.example", "http://b.example/a.example"),
            ("a.example", "http://a.example@b.example/"), ("a.example:8080", "http://a.example/"),
            ("a.example:8080", "http://a.example:80/"), ("*.a.example", "http://a.example/"),
            ("*.example", "http://anexample/"), ("*.example", "http://a.example.org/"), ("123", "1234"),
            ("a.example", ""),
        ]
    )
    func others(pattern: String, target: String) throws {
        #expect(try !#require(TargetPattern(pattern)).matches(target))
    }

    @Test(
        "What could match nothing is refused",
        arguments: ["", "*", "*.", "*.*", "a.*", "*.a/b", "*..example", "*.example.", "a b", "a\n", "*.a:80"]
    )
    func refused(text: String) {
        #expect(TargetPattern(text) == nil)
    }

    @Test("Hosts are compared in lower case, targets as they are written")
    func spelling() {
        #expect(TargetPattern("A.Example")?.text == "a.example")
        #expect(TargetPattern("*.A.Example")?.text == "*.a.example")
        #expect(TargetPattern("http://A.Example/X")?.text == "http://A.Example/X")
    }

    @Test("A block is of one site, or of all")
    func sites() throws {
        var blocks = TargetBlocks()
        #expect(blocks.isEmpty)
        blocks.add(try #require(TargetPattern("*.example")), site: "alice")
        blocks.add(try #require(TargetPattern("http://t/")), site: "")
        #expect(blocks.matches(target: "http://a.example/", site: "alice"))
        #expect(!blocks.matches(target: "http://a.example/", site: "bob"))
        #expect(blocks.matches(target: "http://t/", site: "bob"))
        #expect(!blocks.matches(target: "", site: "alice"))
        #expect(!blocks.isEmpty)
    }
}
