// SPDX-License-Identifier: Apache-2.0
import Foundation
import QueueCore
import TestSupport
import Testing

@testable import RecipientDirectory

@Suite struct RecipientDirectoryTests {
    private let folder: TemporaryDirectory
    private let writer: RecipientWriter
    private let reader: RecipientReader
    private let site = SiteName(unchecked: "alice")
    private let omb = PluginName(unchecked: "omb")

    init() throws {
        folder = try TemporaryDirectory()
        writer = try RecipientWriter(path: "\(folder.path)/recipients.db")
        reader = try RecipientReader(path: "\(folder.path)/recipients.db")
    }

    private func put(_ author: String, _ target: String, _ key: String = "") throws {
        try writer.put(site, omb, Recipient(author: author, target: target, key: key))
    }

    // MARK: - put, get, remove

    @Test("What is put is got, for its site, plugin, author and target only")
    func putGet() throws {
        let version = try writer.put(
            site,
            omb,
            Recipient(author: "a", target: "t", key: "k", credentials: "{\"b\": 2, \"a\": \"x\"}", options: "{}")
        )
        let expected = Recipient(
            author: "a",
            target: "t",
            key: "k",
            credentials: "{\"a\":\"x\",\"b\":2}",
            options: "",
            version: version
        )
        #expect(try reader.get(site, omb, author: "a", target: "t") == [expected])
        #expect(try reader.get(SiteName(unchecked: "bob"), omb, author: "a", target: "t").isEmpty)
        #expect(try reader.get(site, PluginName(unchecked: "x"), author: "a", target: "t").isEmpty)
        #expect(try reader.get(site, omb, author: "b", target: "t").isEmpty)
        #expect(try reader.get(site, omb, author: "a", target: "T").isEmpty)
    }

    @Test("get gives all keys of the target, in order")
    func getKeys() throws {
        for key in ["b", "", "a"] { try put("a", "t", key) }
        #expect(try reader.get(site, omb, author: "a", target: "t").map(\.key) == ["", "a", "b"])
    }

    @Test("One snapshot shows nothing of what is written meanwhile, and after it all is there")
    func snapshot() throws {
        try put("a", "t1")
        try reader.beginSnapshot()
        #expect(try reader.get(site, omb, author: "a", target: "t1").count == 1)
        try put("a", "t2")
        try writer.remove(site, omb, target: "t1")
        try reader.beginSnapshot()
        #expect(try reader.page(site, omb, author: nil, after: [], limit: 5).rows.map(\.target) == ["t1"])
        #expect(try reader.count(site, omb) == 1)
        reader.endSnapshot()
        #expect(try reader.page(site, omb, author: nil, after: [], limit: 5).rows.map(\.target) == ["t2"])
        reader.endSnapshot()
        #expect(try reader.count(site, omb, author: "a") == 1)
    }

    @Test("A reader is closed in the middle of a snapshot, and says so afterwards")
    func closedReader() throws {
        try put("a", "t")
        try reader.beginSnapshot()
        #expect(try reader.count(site, omb) == 1)
        try reader.close()
        #expect(throws: RecipientDirectoryError.failed(file: "\(folder.path)/recipients.db", reason: "it is closed")) {
            try reader.get(site, omb, author: "a", target: "t")
        }
    }

    @Test("Texts that are only canonically equivalent are different targets")
    func bytes() throws {
        try put("a", "\u{E9}")
        try put("a", "e\u{301}")
        #expect(try reader.count(site, omb) == 2)
        #expect(try reader.page(site, omb, author: "a", after: [], limit: 1).rows.count == 1)
        #expect(try reader.get(site, omb, author: "a", target: "\u{E9}").count == 1)
    }

    @Test("A put with a version holds only while the row has that version")
    func stale() throws {
        var row = Recipient(author: "a", target: "t")
        let first = try writer.put(site, omb, row)
        row.version = first
        row.options = "{\"n\":1}"
        let second = try writer.put(site, omb, row)
        #expect(second > first)
        #expect(throws: RecipientDirectoryError.stale) { try writer.put(site, omb, row) }
        row.version = 0
        #expect(try writer.put(site, omb, row) > second)
        row.version = second
        try writer.remove(site, omb, target: "t")
        #expect(throws: RecipientDirectoryError.stale) { try writer.put(site, omb, row) }
    }

    @Test("A row that is made again doesn't get an old version again")
    func versionsAreNew() throws {
        let first = try writer.put(site, omb, Recipient(author: "a", target: "t"))
        try writer.remove(site, omb, target: "t")
        #expect(try writer.put(site, omb, Recipient(author: "a", target: "t")) > first)
    }

    @Test("remove takes every author and every key unless one is named, and says how many")
    func remove() throws {
        for author in ["a", "b"] { for key in ["", "1", "2"] { try put(author, "t", key) } }
        try put("a", "other")
        #expect(try writer.remove(site, omb, author: "a", target: "t", key: "1") == 1)
        #expect(try writer.remove(site, omb, author: "a", target: "t", key: "") == 1)
        #expect(try writer.remove(site, omb, target: "t", key: "1") == 1)
        #expect(try writer.remove(site, omb, author: "a", target: "t") == 1)
        #expect(try writer.remove(site, omb, target: "t") == 2)
        #expect(try writer.remove(site, omb, target: "t") == 0)
        #expect(try reader.count(site, omb) == 1)
    }

    @Test(
        "Fields that can't be taken are refused by name",
        arguments: [
            (Recipient(author: "", target: "t"), "author"), (Recipient(author: "a", target: ""), "target"),
            (Recipient(author: "a\n", target: "t"), "author"), (Recipient(author: "a", target: "t\u{0}"), "target"),
            (Recipient(author: "a", target: "t", key: "\u{1F}"), "key"),
            (Recipient(author: String(repeating: "a", count: 321), target: "t"), "author"),
            (Recipient(author: "a", target: String(repeating: "a", count: 641)), "target"),
            (Recipient(author: "a", target: "t", key: String(repeating: "a", count: 256)), "key"),
            (Recipient(author: "a", target: "t", credentials: "[]"), "credentials"),
            (Recipient(author: "a", target: "t", options: "{"), "options"),
            (
                Recipient(author: "a", target: "t", options: "{\"a\":\"\(String(repeating: "x", count: 65_536))\"}"),
                "options"
            ),
        ]
    )
    func invalid(row: Recipient, field: String) {
        let error = #expect(throws: RecipientDirectoryError.self) { try writer.put(site, omb, row) }
        guard case .invalid(field, _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test("Printing a recipient shows no credentials")
    func hidesCredentials() {
        let row = Recipient(author: "a", target: "t", credentials: "{\"token\":\"geheim\"}")
        var dumped = ""
        dump(row, to: &dumped)
        #expect(!"\(row)\(String(reflecting: row))\(dumped)".contains("geheim"))
    }

    // MARK: - Pages

    /// All pages, each as its targets; checks that cursors are small enough for the ABI.
    private func pages(author: String?, limit: Int) throws -> [[String]] {
        var pages: [[String]] = []
        var cursor: [UInt8] = []
        repeat {
            let page = try reader.page(site, omb, author: author, after: cursor, limit: limit)
            pages.append(page.rows.map { "\($0.target)/\($0.author)/\($0.key)" })
            #expect(page.next.count <= 1024)
            cursor = page.next
        } while !cursor.isEmpty && pages.count < 100
        return pages
    }

    @Test("Pages go by target, author, key, and never split a target of one author")
    func pagesInOrder() throws {
        for (author, target, key) in [
            ("b", "t1", "1"), ("a", "t2", ""), ("a", "t1", "2"), ("a", "t1", "1"), ("b", "t1", "2"), ("b", "t3", ""),
        ] { try put(author, target, key) }
        #expect(
            try pages(author: nil, limit: 3) == [
                ["t1/a/1", "t1/a/2"], ["t1/b/1", "t1/b/2", "t2/a/"], ["t3/b/"],
            ]
        )
        #expect(try pages(author: "a", limit: 2) == [["t1/a/1", "t1/a/2"], ["t2/a/"]])
        #expect(try pages(author: "c", limit: 2) == [[]])
    }

    @Test("A target with more rows than the limit makes a longer page")
    func largeTarget() throws {
        for key in 0..<5 { try put("a", "t1", "\(key)") }
        try put("a", "t2")
        #expect(try pages(author: "a", limit: 2).map(\.count) == [5, 1])
        #expect(try pages(author: nil, limit: 2).map(\.count) == [5, 1])
    }

    @Test("A full last page is the end where nothing follows")
    func exactEnd() throws {
        for target in 0..<4 { try put("a", "t\(target)") }
        #expect(try pages(author: "a", limit: 2).map(\.count) == [2, 2])
        #expect(try pages(author: nil, limit: 4).map(\.count) == [4])
    }

    @Test("A cursor stays good when rows come and go")
    func stableCursor() throws {
        for target in ["b", "d", "f"] { try put("a", target) }
        let first = try reader.page(site, omb, author: "a", after: [], limit: 2)
        try writer.remove(site, omb, target: "d")
        try put("a", "a")
        try put("a", "e")
        let second = try reader.page(site, omb, author: "a", after: first.next, limit: 9)
        #expect(second.rows.map(\.target) == ["e", "f"])
    }

    @Test(
        "A cursor that no page gave is refused",
        arguments: [[1], [0x61], [0x1F, 0x61], [0xFF, 0x1F, 0x61], [0x61, 0x1F, 0x61, 0x1F]]
    )
    func badCursor(bytes: [UInt8]) {
        #expect(throws: RecipientDirectoryError.badCursor) {
            try reader.page(site, omb, author: nil, after: bytes, limit: 1)
        }
    }

    @Test(
        "Random rows, limits and authors: pages give every row once, in order, no target split; memory and file agree"
    )
    func randomPages() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SplitMix64(state: seed)
        var changes: [RecipientChange] = []
        for _ in 0..<400 {
            let change = RecipientChange(
                author: "a\(random.next() % 3)",
                target: "t\(random.next() % 40)",
                key: "\(random.next() % 5)"
            )
            changes.append(change)
            try put(change.author, change.target, change.key)
        }
        let inline = InlineRecipients(changes)
        for limit in [1, 2, 3, 7, 50, 1000] {
            for author in [nil, "a0", "a2", "a9"] as [String?] {
                var cursor: [UInt8] = []
                var all: [Recipient] = []
                repeat {
                    var page = try reader.page(site, omb, author: author, after: cursor, limit: limit)
                    for index in page.rows.indices { page.rows[index].version = 0 }
                    #expect(try inline.page(author: author, after: cursor, limit: limit) == page, "seed \(seed)")
                    if let last = all.last, let first = page.rows.first {
                        #expect(!last.sharesTarget(with: first), "seed \(seed)")
                    }
                    all += page.rows
                    cursor = page.next
                } while !cursor.isEmpty
                let keys = all.map { "\($0.target)\u{0}\($0.author)\u{0}\($0.key)" }
                #expect(keys == keys.sorted() && Set(keys).count == keys.count, "seed \(seed)")
                #expect(try all.count == reader.count(site, omb, author: author), "seed \(seed)")
            }
        }
        for change in changes.prefix(50) {
            let rows = try reader.get(site, omb, author: change.author, target: change.target)
            #expect(
                inline.get(author: change.author, target: change.target).map(\.key) == rows.map(\.key),
                "seed \(seed)"
            )
        }
    }

    @Test("forEach gives what fits the filters")
    func forEach() throws {
        for (author, target) in [("a", "t1"), ("b", "t1"), ("a", "t2")] { try put(author, target) }
        func list(_ author: String?, _ target: String?) throws -> [String] {
            var rows: [String] = []
            try reader.forEach(site, omb, author: author, target: target) { rows.append($0.target + $0.author) }
            return rows
        }
        #expect(try list(nil, nil) == ["t1a", "t1b", "t2a"])
        #expect(try list("a", nil) == ["t1a", "t2a"])
        #expect(try list(nil, "t1") == ["t1a", "t1b"])
        #expect(try list("b", "t1") == ["t1b"])
        #expect(try list("b", "t2") == [])
    }
}

/// A small seeded generator (Steele, Lea, Flood 2014).
private struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
