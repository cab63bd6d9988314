// SPDX-License-Identifier: Apache-2.0
import Testing
import TestSupport

@Suite struct EnqueueCommandTests {
    private func enqueue(
        _ arguments: String...,
        in directory: TemporaryDirectory,
        input: String = ""
    ) async throws
        -> FakeHostd.Run
    {
        try await FakeHostd.queuectl(in: directory, ["enqueue", "-s", "alice"] + arguments, input: input)
    }

    @Test("A file is one item, sent to group main's destination with its headers")
    func file() async throws {
        let directory = try FakeHostd.stateDirectory()
        let broker = try await FakeBroker(.unix(directory.file("stomp.sock")))
        let frame = try directory.write("{\"id\": 42,\n \"content\": \"Hellö\"}\n", to: "notice.json")
        let run = try await enqueue("--priority", "7", "notice", frame, in: directory)
        #expect(run.status == 0)
        #expect(run.output == "1")
        let item = try await broker.sent.next()
        #expect(item.body == "{\"id\": 42,\n \"content\": \"Hellö\"}\n")
        #expect(item.headers["destination"] == "/queue/statusnet/main")
        #expect(item.headers["site"] == "alice")
        #expect(item.headers["queue"] == "notice")
        #expect(item.headers["persistent"] == "true")
        #expect(item.headers["priority"] == "7")
        await broker.stop()
    }

    @Test("Standard input with --jsonl is an item a line, in order; blank lines are none")
    func lines() async throws {
        let directory = try FakeHostd.stateDirectory()
        let broker = try await FakeBroker(.unix(directory.file("stomp.sock")))
        let frames = (1...5000).map { "{\"id\": \($0)}" }
        let input =
            frames.prefix(10).joined(separator: "\n") + "\n\n \t\r\n" + frames.dropFirst(10).joined(separator: "\n")
        let run = try await enqueue("--jsonl", "notice", "-", in: directory, input: input)
        #expect(run.status == 0)
        #expect(run.output == "5000")
        #expect(broker.sent.all.map(\.body) == frames)
        await broker.stop()
    }

    @Test("An ERROR tells how many were accepted and which line failed, blank lines counted")
    func refused() async throws {
        let directory = try FakeHostd.stateDirectory()
        let broker = try await FakeBroker(.unix(directory.file("stomp.sock")), refusing: 1501)
        // Line 1 is blank: the 1501st item is in line 1502.
        let input = "\n" + (1...3000).map { "{\"id\": \($0)}\n" }.joined()
        let run = try await enqueue("--jsonl", "notice", "-", in: directory, input: input)
        #expect(run.status == 1)
        #expect(run.output.isEmpty)
        #expect(run.errors == "queuectl: 1500 accepted, then line 1502 failed: no room: The disk is full.")
        await broker.stop()
    }

    @Test("A single frame that is refused, a missing file and an empty one are each one line")
    func failures() async throws {
        let directory = try FakeHostd.stateDirectory()
        let broker = try await FakeBroker(.unix(directory.file("stomp.sock")), refusing: 1)
        let refused = try await enqueue("notice", "-", in: directory, input: "{}")
        #expect(refused.status == 1)
        #expect(refused.errors == "queuectl: 0 accepted: no room: The disk is full.")
        let missing = try await enqueue("notice", directory.file("no.json"), in: directory)
        #expect(missing.status == 1)
        #expect(missing.errors.contains("no.json: can't be read: No such file"))
        let empty = try await enqueue("notice", "-", in: directory)
        #expect(empty.status == 1)
        #expect(empty.errors.contains("standard input: empty"))
        await broker.stop()
    }

    @Test("Without the Unix socket the TCP address is used, with the login")
    func overTCP() async throws {
        let directory = try TemporaryDirectory()
        let broker = try await FakeBroker(.loopback)
        let port = try #require(broker.port)
        try directory.write(
            "state_dir: .\nqueue: { listen: \"127.0.0.1:\(port)\", username: bob, password: s3cret }\n",
            to: "hostd.yaml"
        )
        let run = try await enqueue("notice", "-", in: directory, input: "{}")
        #expect(run.status == 0)
        #expect(run.output == "1")
        #expect(try await broker.logins.next() == "bob:s3cret")
        await broker.stop()
    }

    @Test("Without any broker: one line that says what to do")
    func noBroker() async throws {
        let directory = try FakeHostd.stateDirectory()
        let run = try await enqueue("notice", "-", in: directory, input: "{}")
        #expect(run.status == 1)
        #expect(run.errors.contains("the broker can't be reached"))
        #expect(!run.errors.contains("\n"))
    }
}
