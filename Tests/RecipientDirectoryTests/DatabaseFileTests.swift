// SPDX-License-Identifier: Apache-2.0
import Foundation
import GRDB
import QueueCore
import TestSupport
import Testing

@testable import RecipientDirectory

@Suite struct DatabaseFileTests {
    private let folder: TemporaryDirectory
    private var path: String { "\(folder.path)/recipients.db" }
    private let site = SiteName(unchecked: "alice")
    private let omb = PluginName(unchecked: "omb")

    init() throws { folder = try TemporaryDirectory() }

    private func mode(_ path: String) throws -> Int {
        try #require(FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
    }

    @Test("The file and its WAL are readable by their user only, also one that was made too open")
    func permissions() throws {
        let writer = try RecipientWriter(path: path)
        try writer.put(site, omb, Recipient(author: "a", target: "t"))
        #expect(try mode(path) == 0o600)
        #expect(try mode(path + "-wal") == 0o600)
        #expect(try mode(path + "-shm") == 0o600)
        try writer.close()
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        _ = try RecipientWriter(path: path)
        #expect(try mode(path) == 0o600)
    }

    @Test("A writer's connection is WAL with synchronous=FULL")
    func durable() throws {
        let queue = try DatabaseFile.openForWriting(path, .recipients)
        try queue.writeWithoutTransaction { database in
            for (pragma, value) in [("journal_mode", "wal"), ("synchronous", "2"), ("user_version", "1")] {
                let statement = try database.makeStatement(sql: "PRAGMA \(pragma)")
                #expect(try String.fetchOne(statement) == value)
            }
        }
    }

    @Test("What was put is there after closing and opening again")
    func persists() throws {
        let writer = try RecipientWriter(path: path)
        try writer.put(site, omb, Recipient(author: "a", target: "t"))
        try writer.close()
        #expect(try RecipientReader(path: path).count(site, omb) == 1)
    }

    @Test("A reader makes the file where there is none, and sees what comes later")
    func readerFirst() throws {
        let reader = try RecipientReader(path: path)
        #expect(try reader.count(site, omb) == 0)
        try RecipientWriter(path: path).put(site, omb, Recipient(author: "a", target: "t"))
        #expect(try reader.count(site, omb) == 1)
    }

    @Test("A file of a newer hostd is refused and left as it is")
    func newerSchema() throws {
        let queue = try DatabaseFile.openForWriting(path, .recipients)
        try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA user_version = 99") }
        try queue.close()
        let before = try Data(contentsOf: URL(fileURLWithPath: path))
        let expected = RecipientDirectoryError.newerSchema(file: path, found: 99, known: 1)
        #expect(throws: expected) { try RecipientWriter(path: path) }
        #expect(throws: expected) { try RecipientReader(path: path) }
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
    }

    @Test("Garbage, and a database of another kind, are refused and left as they are")
    func corrupt() throws {
        try folder.write(String(repeating: "garbage ", count: 1000), to: "recipients.db")
        let before = try Data(contentsOf: URL(fileURLWithPath: path))
        for open in [{ _ = try RecipientWriter(path: path) }, { _ = try RecipientReader(path: path) }] {
            let error = #expect(throws: RecipientDirectoryError.self, performing: open)
            guard case .corrupt(path, _) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)

        try KeyValueWriter(path: "\(folder.path)/kv.db").close()
        #expect(throws: RecipientDirectoryError.foreign(file: "\(folder.path)/kv.db")) {
            try RecipientWriter(path: "\(folder.path)/kv.db")
        }
    }

    @Test("A file in a folder that isn't there can't be opened, and the error says why")
    func noFolder() {
        #expect(
            throws: RecipientDirectoryError.unusable(
                file: "\(folder.path)/no/r.db",
                reason: "No such file or directory"
            )
        ) {
            try RecipientWriter(path: "\(folder.path)/no/r.db")
        }
    }

    @Test("Pages and gets go by an index, without sorting", arguments: RecipientReader.Query.allCases)
    func plans(query: RecipientReader.Query) throws {
        let queue = try DatabaseFile.openForWriting(path, .recipients)
        let plan = try queue.unsafeRead { database in
            let blanks = [String](repeating: "", count: query.rawValue.count { $0 == "?" })
            return try Row.fetchAll(
                database,
                sql: "EXPLAIN QUERY PLAN \(query.rawValue)",
                arguments: StatementArguments(blanks)
            ).map { $0["detail"] as String }
        }
        let first = try #require(plan.first)
        #expect(plan.count == 1 && first.hasPrefix("SEARCH recipient USING"), "\(plan)")
        #expect(
            first.contains("target=?") || first.contains("target>?") || first.contains("(target,author)>(?,?)"),
            "\(plan)"
        )
    }
}
