// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import TestSupport

@Suite struct RecipientsCommandTests {
    private static func line(_ number: Int) -> String {
        """
        {"plugin":"omb","author":"http://alice.example/user/7","target":"http://t\(number).example/omb",\
        "credentials":{"secret":"s3cret","token":"t0ken"}}
        """
    }

    private func recipients(
        _ arguments: String...,
        in directory: TemporaryDirectory,
        input: String = ""
    ) async throws
        -> FakeHostd.Run
    {
        try await FakeHostd.queuectl(in: directory, ["recipients"] + arguments, input: input)
    }

    @Test("What is imported comes out again, credentials only with --secrets, hostd not running")
    func roundTrip() async throws {
        let directory = try TemporaryDirectory()
        // The state directory isn't there yet.
        try directory.write("state_dir: state\n", to: "hostd.yaml")
        let lines = (1...3).map(Self.line)
        let file = try directory.write(lines.joined(separator: "\n") + "\n", to: "in.jsonl")
        let imported = try await recipients("import", "-s", "alice", "omb", file, in: directory)
        #expect(imported.status == 0, "\(imported.errors)")
        #expect(imported.output == "3 imported, 3 of them new or changed")

        let plain = try await recipients("export", "-s", "alice", "omb", in: directory)
        #expect(plain.output.split(separator: "\n").count == 3)
        #expect(!plain.output.contains("s3cret"))
        let backup = directory.file("out.jsonl")
        let exported = try await recipients("export", "-s", "alice", "omb", "--secrets", backup, in: directory)
        #expect(exported.output == "3 exported")
        #expect(try String(contentsOfFile: backup, encoding: .utf8) == lines.joined(separator: "\n") + "\n")
        let mode = try FileManager.default.attributesOfItem(atPath: backup)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        let database = directory.file("state/recipients.db")
        #expect(try FileManager.default.attributesOfItem(atPath: database)[.posixPermissions] as? Int == 0o600)

        let list = try await recipients("list", "-s", "alice", "omb", in: directory)
        #expect(list.output.contains("http://t2.example/omb"))
        #expect(!list.output.contains("t0ken"))
        #expect(try await recipients("list", "-s", "bob", "omb", in: directory).output == "No recipient.")
    }

    @Test("Bad lines are told by number; the good ones are taken, or none with --strict")
    func badLines() async throws {
        let directory = try FakeHostd.stateDirectory()
        let input = [Self.line(1), "nonsense", Self.line(2), "{\"plugin\":\"omb\"}"].joined(separator: "\n")
        let strict = try await recipients("import", "-s", "alice", "omb", "--strict", in: directory, input: input)
        #expect(strict.status == 1)
        #expect(try await recipients("list", "-s", "alice", "omb", in: directory).output == "No recipient.")
        let loose = try await recipients("import", "-s", "alice", "omb", "-", in: directory, input: input)
        #expect(loose.status == 1)
        let errors = loose.errors.split(separator: "\n")
        #expect(errors.count == 3)
        #expect(errors.first?.hasPrefix("standard input:2: ") == true)
        #expect(errors.dropFirst().first?.hasPrefix("standard input:4: ") == true)
        #expect(errors.last == "queuectl: 2 lines taken, 2 refused")
        #expect(
            try await recipients("export", "-s", "alice", "omb", in: directory).output.split(separator: "\n").count == 2
        )
    }

    @Test("A target is removed by name, recipients by a file's lines")
    func remove() async throws {
        let directory = try FakeHostd.stateDirectory()
        let input = (1...5).map(Self.line).joined(separator: "\n")
        #expect(try await recipients("import", "-s", "alice", "omb", in: directory, input: input).status == 0)
        let target = try await recipients(
            "remove",
            "-s",
            "alice",
            "omb",
            "--target",
            "http://t3.example/omb",
            in: directory
        )
        #expect(target.output == "1 removed")
        let lines = (4...6).map(Self.line).joined(separator: "\n")
        let file = try await recipients("remove", "-s", "alice", "omb", "-", in: directory, input: lines)
        #expect(file.output == "2 removed")
        #expect(
            try await recipients("export", "-s", "alice", "omb", in: directory).output.split(separator: "\n").count == 2
        )
    }
}
