// SPDX-License-Identifier: Apache-2.0
import Foundation
import GRDB
import QueueCore
import TestSupport
import Testing

@testable import RecipientDirectory

@Suite struct RecipientImportTests {
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

    private func apply(
        _ text: String,
        _ action: RecipientLineAction = .put,
        isStrict: Bool = false
    ) throws
        -> (report: RecipientImportReport, bad: [String])
    {
        var bad: [String] = []
        let lines = LineReader(bytes: Array(text.utf8))
        let report = try writer.apply(action, site, omb, from: lines, isStrict: isStrict) { bad.append("\($0)") }
        return (report, bad)
    }

    private func export(includeSecrets: Bool) throws -> [String] {
        var lines: [String] = []
        try reader.forEach(site, omb) { lines.append($0.jsonLine(plugin: omb, includeSecrets: includeSecrets)) }
        return lines
    }

    private static let good = #"{"plugin":"omb","author":"a","target":"t"}"#

    @Test("Lines are imported, and exported as they were; credentials only when asked for", arguments: [false, true])
    func roundTrip(isStrict: Bool) throws {
        let lines = [
            #"{"plugin":"omb","author":"a","target":"t1","key":"k","credentials":{"secret":"s","token":"t"},"options":{"n":[1,2.5,null,true,"\u0001\"\\é"]}}"#,
            #"{"plugin":"omb","author":"a","target":"t2"}"#,
        ]
        let (report, bad) = try apply(lines.joined(separator: "\n"), isStrict: isStrict)
        #expect(bad.isEmpty)
        #expect(report == RecipientImportReport(accepted: 2, rejected: 0, changed: 2))
        #expect(try export(includeSecrets: true) == lines)
        #expect(
            try export(includeSecrets: false) == [
                lines[0].replacing(#","credentials":{"secret":"s","token":"t"}"#, with: ""), lines[1],
            ]
        )
    }

    @Test("An export without secrets, imported again, takes no credentials away", arguments: [false, true])
    func keepsCredentials(isStrict: Bool) throws {
        _ = try apply(#"{"plugin":"omb","author":"a","target":"t","credentials":{"t":"x"},"options":{"o":1}}"#)
        let before = try reader.get(site, omb, author: "a", target: "t")
        let (report, _) = try apply(try export(includeSecrets: false).joined(separator: "\n"), isStrict: isStrict)
        #expect(report == RecipientImportReport(accepted: 1, rejected: 0, changed: 0))
        #expect(try reader.get(site, omb, author: "a", target: "t") == before)
        _ = try apply(
            #"{"plugin":"omb","author":"a","target":"t","credentials":null,"options":{"o":2}}"#,
            isStrict: isStrict
        )
        let after = try #require(try reader.get(site, omb, author: "a", target: "t").first)
        #expect(after.credentials == "" && after.options == #"{"o":2}"#)
        #expect(after.version > before[0].version)
    }

    @Test(
        "Each bad line is told by number with its reason; the good ones are taken",
        arguments: [
            ("nonsense", "recipient: is not JSON"), ("{", "recipient: is not JSON"),
            ("[]", "recipient: is not a JSON object"),
            ("7", "recipient: is not a JSON object"), (#"{"plugin":"omb","author":"a"}"#, "target: is missing"),
            (#"{"plugin":"omb","target":"a"}"#, "author: is missing"),
            (#"{"author":"a","target":"a"}"#, "plugin: is missing"),
            (#"{"plugin":"omb","author":1,"target":"t"}"#, "author: is not a text"),
            (#"{"plugin":"omb","author":null,"target":"t"}"#, "author: is not a text"),
            (#"{"plugin":"omb","author":"","target":"t"}"#, "author: is empty"),
            (#"{"plugin":"omb","author":"a\n","target":"t"}"#, "author: holds a control character"),
            (#"{"plugin":"x","author":"a","target":"t"}"#, #"plugin: is "x", not "omb""#),
            (#"{"plugin":"omb","author":"a","target":"t","credentials":"x"}"#, "credentials: is not a JSON object"),
            (#"{"plugin":"omb","author":"a","target":"t","options":[]}"#, "options: is not a JSON object"),
            (
                #"{"plugin":"omb","author":"a","target":"t","credentails":{}}"#,
                #""credentails": unknown member; known are plugin, author, target, key, credentials, options"#
            ),
        ]
    )
    func badLine(line: String, reason: String) throws {
        let (report, bad) = try apply("\(Self.good)\n\n\(line)\r\n\(Self.good)\r\n")
        #expect(bad == ["line 3: \(reason)"])
        #expect(report == RecipientImportReport(accepted: 2, rejected: 1, changed: 1))
        #expect(try reader.count(site, omb) == 1)
    }

    @Test("Bytes that are no UTF-8 and endless lines are bad lines, and the next one is read")
    func hostileLines() throws {
        var bytes = Array(#"{"plugin":"omb","author":""#.utf8) + [0xFF] + Array(#"","target":"t"}"#.utf8) + [0x0A]
        bytes += [UInt8](repeating: 0x61, count: LineReader.longestLine + 1) + [0x0A]
        bytes += Array(Self.good.utf8)
        var bad: [Int] = []
        let report = try writer.apply(.put, site, omb, from: LineReader(bytes: bytes)) { bad.append($0.number) }
        #expect(bad == [1, 2])
        #expect(report.accepted == 1)
    }

    @Test("Strict takes nothing where one line is bad, and reports all bad ones")
    func strict() throws {
        let (report, bad) = try apply("\(Self.good)\nx\n\(Self.good)\ny\n", isStrict: true)
        #expect(bad.count == 2)
        #expect(report == RecipientImportReport(accepted: 0, rejected: 2, changed: 0))
        #expect(try reader.count(site, omb) == 0)
        #expect(try apply("\(Self.good)\n", isStrict: true).report.accepted == 1)
        #expect(try reader.count(site, omb) == 1)
    }

    @Test(
        "More lines than a batch, read in chunks from a file; of two with one key the last counts",
        arguments: [false, true]
    )
    func batches(isStrict: Bool) throws {
        var text = ""
        for index in 0..<2500 { text += #"{"plugin":"omb","author":"a","target":"t\#(index)"}"# + "\n" }
        text += #"{"plugin":"omb","author":"a","target":"t7","options":{"last":true}}"#
        let handle = try #require(FileHandle(forReadingAtPath: try folder.write(text, to: "lines")))
        let lines = LineReader(descriptor: handle.fileDescriptor, name: "lines")
        let report = try writer.apply(.put, site, omb, from: lines, isStrict: isStrict)
        #expect(report == RecipientImportReport(accepted: 2501, rejected: 0, changed: 2501))
        #expect(try reader.count(site, omb) == 2500)
        #expect(try reader.get(site, omb, author: "a", target: "t7").map(\.options) == [#"{"last":true}"#])
    }

    @Test("Lines remove rows: without a key every key of the target", arguments: [false, true])
    func removal(isStrict: Bool) throws {
        for (target, key) in [("t1", ""), ("t1", "k"), ("t2", ""), ("t2", "k")] {
            try writer.put(site, omb, Recipient(author: "a", target: target, key: key))
        }
        let (report, _) = try apply(
            "\(#"{"plugin":"omb","author":"a","target":"t1"}"#)\n\(#"{"plugin":"omb","author":"a","target":"t2","key":"k"}"#)",
            .remove,
            isStrict: isStrict
        )
        #expect(report == RecipientImportReport(accepted: 2, rejected: 0, changed: 3))
        #expect(try reader.count(site, omb) == 1)
    }

    @Test("A reader never waits for an import under way, and sees it when it is committed")
    func concurrentImport() throws {
        try writer.put(site, omb, Recipient(author: "a", target: "before"))
        try writer.queue.write { database in
            try database.execute(sql: "DELETE FROM recipient")
            #expect(try reader.count(site, omb) == 1)
            #expect(try reader.get(site, omb, author: "a", target: "before").count == 1)
        }
        #expect(try reader.count(site, omb) == 0)
    }
}
