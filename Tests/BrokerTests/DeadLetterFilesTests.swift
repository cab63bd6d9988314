// SPDX-License-Identifier: Apache-2.0
import Control
import Foundation
import QueueCore
import TestSupport
import Testing
import WorkerLink

@testable import Broker

/// `queue.dead_letter_dir` beside the real store.
@Suite struct DeadLetterFilesTests {
    private let directory: TemporaryDirectory
    private var folder: String { directory.file("dead") }

    init() throws { directory = try TemporaryDirectory() }

    private func broker(withFiles: Bool = true) async throws -> BrokerHarness {
        let path = withFiles ? folder : nil
        return try await BrokerHarness(directory: directory) { $0.deadLetterDirectory = path }
    }

    private func send(
        _ broker: BrokerHarness,
        _ body: String,
        site: String = "alice",
        queue: String = "nothing"
    )
        async throws
    {
        let client = try await broker.stomp()
        try await client.send(
            "SEND",
            [
                "destination": "/queue/statusnet/main", "site": site, "queue": queue, "receipt": "r",
                "content-length": "\(body.utf8.count)",
            ],
            body: body
        )
        try await client.receipt("r")
    }

    /// Without the hidden ones, which may be unfinished.
    private func names() -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter { !$0.hasPrefix(".") }.sorted()
    }

    private func text(_ name: String) -> String? {
        FileManager.default.contents(atPath: folder + "/" + name).map { String(decoding: $0, as: UTF8.self) }
    }

    private func json(_ name: String) throws -> JSONValue {
        try JSONDecoder().decode(JSONValue.self, from: Data(try #require(text(name)).utf8))
    }

    private func mode(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }

    /// Waits until folder and table are compared, and all that is known is written.
    private func quiet(_ broker: BrokerHarness) async throws {
        try await eventually("files of all dead letters") { try await broker.onLoop { $0.deadFiles.backlog.isEmpty } }
    }

    @Test("A dead letter is a file with its frame as it was enqueued, and a .json that says why; both are private")
    func written() async throws {
        let broker = try await broker()
        try await send(broker, "frame \u{0}\n with anything in it")
        try await eventually("the file") { names().count == 2 }
        let letter = try #require(try await broker.command("dead.list").result?["items"]?.array?.first)
        let id = try #require(letter["id"]?.int)
        let name = "alice-nothing-\(id)"
        #expect(names() == [name, name + ".json"])
        #expect(text(name) == "frame \u{0}\n with anything in it")
        let json = try json(name + ".json")
        for (member, value) in letter.object ?? [:] { #expect(json[member] == value, "\(member)") }
        #expect(json["reason"]?.string == "no-handler" && json["frame_file"]?.string == name)
        #expect(try mode(folder) == 0o700)
        #expect(try mode(folder + "/" + name) == 0o600)
        #expect(try mode(folder + "/" + name + ".json") == 0o600)
        try await quiet(broker)
        let files = try await broker.command("status").result?["dead_letter_files"]
        #expect(files?["folder"]?.string == folder && files?["error"] == .null)
        #expect(files?["written"]?.int == 1 && files?["waiting"]?.int == 0 && files?["failed"]?.int == 0)
        let samples = try await broker.command("metrics").result?.array ?? []
        let written = samples.first { $0["name"]?.string == "hostd_dead_letter_files_written_total" }
        #expect(written?["value"]?.number == 1)
        try await broker.stop()
    }

    @Test("A shared frame has a file of its own; drop and requeue take all of a letter's files away")
    func sharedAndGone() async throws {
        let broker = try await broker()
        try await send(broker, "notice", queue: "stage")
        let worker = try await broker.worker()
        let stage = try await worker.next()
        let staged = (0..<2).map { number in
            var item = NewItem(queue: QueueName(unchecked: "out"), payload: Array("own \(number)".utf8))
            item.shared = Array("for all".utf8)
            item.target = "t\(number)"
            return item
        }
        try await worker.end(stage, Outcome(.done), staging: staged)
        for _ in staged {
            try await worker.end(
                try await worker.next(),
                .kept("HTTP 410")
            )
        }
        try await eventually("six files") { names().count == 6 }
        let letters = try #require(try await broker.command("dead.list").result?["items"]?.array)
        let ids = letters.compactMap { $0["id"]?.int }
        for id in ids {
            #expect(text("alice-out-\(id)")?.hasPrefix("own ") == true)
            #expect(text("alice-out-\(id).shared") == "for all")
            #expect(try json("alice-out-\(id).json")["shared_file"]?.string == "alice-out-\(id).shared")
        }
        _ = try await broker.command("dead.drop", ["ids": .array([JSONValue(ids[0])]), "dry_run": .bool(true)])
        _ = try await broker.command("dead.drop", ["ids": .array([JSONValue(ids[0])])])
        try await eventually("the files of one") { names().count == 3 }
        #expect(names().allSatisfy { $0.hasPrefix("alice-out-\(ids[1])") })
        #expect(try await broker.command("dead.requeue").result?["count"]?.int == 1)
        try await eventually("no file") { names().isEmpty }
        try await worker.end(try await worker.next(), .kept("again"))
        try await eventually("its files again") { names().count == 3 }
        #expect(try json("alice-out-\(ids[1]).json")["text"]?.string == "again")
        try await broker.stop()
    }

    @Test("A start writes what lacks and removes what is too much, and nothing that isn't hostd's own")
    func compared() async throws {
        let without = try await broker(withFiles: false)
        for number in 0..<3 { try await send(without, "\(number)") }
        let ids = try #require(try await without.command("dead.list").result?["items"]?.array).compactMap {
            $0["id"]?.int
        }
        try await without.stop()

        let with = try await broker()
        try await quiet(with)
        #expect(names().count == 6)
        try await with.stop()

        // As after a kill between table and folder, both ways.
        let other = try await broker(withFiles: false)
        #expect(try await other.command("dead.drop", ["ids": .array([JSONValue(ids[0])])]).result?["count"]?.int == 1)
        try await other.stop()
        try FileManager.default.removeItem(atPath: folder + "/alice-nothing-\(ids[1]).json")
        let foreign = ["README", "alice-nothing-999999.json", ".alice-nothing-\(ids[2]).json.part", ".keep.part"]
        for name in foreign {
            try Data(#"{"store": "another"}"#.utf8).write(to: URL(filePath: folder + "/" + name))
        }
        let last = try await broker()
        try await quiet(last)
        let wanted = ids.dropFirst().flatMap { ["alice-nothing-\($0)", "alice-nothing-\($0).json"] }
        #expect(Set(names()) == Set(wanted + foreign.prefix(2)))
        let hidden = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix(".") }
        #expect(hidden == [".keep.part"], "half-written ones of ours are gone")
        try await last.stop()
    }

    @Test("A folder that can't be written loses no letter and holds up nobody; once it can be, the files come")
    func unwritable() async throws {
        // A file in its place: what root can't write either.
        try directory.write("in the way", to: "dead")
        let broker = try await broker()
        try await send(broker, "kept")
        try await eventually("a failure") { try await broker.onLoop { $0.deadFiles.failure != nil } }
        #expect(try await broker.command("dead.list").result?["items"]?.array?.count == 1)
        let attention = try await broker.command("status").result?["needs"]?.array
        #expect(attention?.first?.string?.contains("queue.dead_letter_dir") == true)
        try await send(broker, "also kept")
        try FileManager.default.removeItem(atPath: folder)
        try await quiet(broker)
        #expect(names().count == 4)
        let needs = try await broker.command("status").result?["needs"]?.array ?? []
        #expect(!needs.contains { $0.string?.contains("queue.dead_letter_dir") == true })
        try await broker.stop()
    }

    @Test("Names that a producer made up stay in the folder") func hostileNames() async throws {
        let broker = try await broker()
        try await send(broker, "x", site: "../../up", queue: "/etc/passwd")
        try await eventually("the file") { names().count == 2 }
        #expect(names().first?.hasPrefix("%2E.%2F..%2Fup-%2Fetc%2Fpasswd-") == true)
        try await broker.stop()
    }

    @Test("A configuration with another folder, or none, is followed") func changed() async throws {
        let broker = try await broker()
        try await send(broker, "x")
        try await eventually("the file") { names().count == 2 }
        var configuration = broker.configuration
        configuration.deadLetterDirectory = directory.file("other")
        let changed = configuration
        try await broker.onLoop { $0.configure(changed) }
        try await eventually("files in the other folder") {
            let found = try? FileManager.default.contentsOfDirectory(atPath: directory.file("other"))
            return found?.filter { !$0.hasPrefix(".") }.count == 2
        }
        try await broker.stop()
    }
}
