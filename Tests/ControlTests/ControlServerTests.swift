// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import NIOCore
import NIOPosix
import TestSupport
import Testing

@Suite struct ControlServerTests {
    private let directory: TemporaryDirectory
    private var path: String { directory.file("control.sock") }

    init() throws { directory = try TemporaryDirectory() }

    private func withServer(
        _ answer: @escaping ControlServer.Answer = ControlServerTests.echo,
        _ body: (String) async throws -> Void
    ) async throws {
        let server = try await ControlServer.start(
            path: path,
            on: MultiThreadedEventLoopGroup.singleton,
            answer: answer
        )
        do { try await body(path) } catch {
            await server.stop()
            throw error
        }
        await server.stop()
    }

    private static let echo: ControlServer.Answer = { request in
        switch request.command {
        case "echo": ControlReply(id: request.id, result: .object(request.arguments))
        case "never":
            await { try? await Task.sleep(for: .seconds(3600)) }().map { ControlReply(id: request.id, result: .null) }
                ?? ControlReply(id: request.id, error: "cancelled")
        default: ControlReply(id: request.id, error: "no command `\(request.command)`")
        }
    }

    @Test("A request is answered with the result of its command")
    func answers() async throws {
        try await withServer { path in
            let client = try await ControlClient.connect(path: path)
            let result = try await client.request("echo", ["site": .string("alice"), "n": .int(7)])
            #expect(result == .object(["site": .string("alice"), "n": .int(7)]))
            await client.close()
        }
    }

    @Test("Many requests at once over one connection each get their own answer")
    func concurrentRequests() async throws {
        try await withServer { path in
            let client = try await ControlClient.connect(path: path)
            try await withThrowingTaskGroup(of: (Int64, Int64?).self) { group in
                for number in Int64(0)..<200 {
                    group.addTask { (number, try await client.request("echo", ["n": .int(number)])["n"]?.int) }
                }
                for try await (sent, received) in group { #expect(sent == received) }
            }
            await client.close()
        }
    }

    @Test("An error reply is thrown with its own line")
    func errorReply() async throws {
        try await withServer { path in
            let client = try await ControlClient.connect(path: path)
            await #expect(throws: ControlError.refused("no command `dance`")) { try await client.request("dance") }
            await client.close()
        }
    }

    @Test("A passed time limit names the command and the limit")
    func timeLimit() async throws {
        try await withServer { path in
            let client = try await ControlClient.connect(path: path)
            await #expect(throws: ControlError.timedOut(command: "never", after: .milliseconds(20))) {
                try await client.request("never", timeLimit: .milliseconds(20))
            }
            let answer = try await client.request("echo", [:])
            #expect(answer == .object([:]), "the connection is still of use")
            await client.close()
        }
    }

    @Test("A line that is no request gets an error with its id, and the connection lives on")
    func badLine() async throws {
        try await withServer { path in
            let raw = try RawClient(path: path)
            for line in ["garbage", "{\"id\": 9}", "[]", ""] {
                try raw.send(line + "\n")
                let reply = try await raw.readLine()
                #expect(reply.contains("\"error\":\"not a request"), "\(line)")
                #expect(reply.contains(line.contains("9") ? "\"id\":9" : "\"id\":0"), "\(line)")
            }
            try raw.send("{\"id\":3,\"command\":\"echo\",\"arguments\":{},\"added_later\":true}\n")
            #expect(try await raw.readLine().contains("\"id\":3"))
        }
    }

    @Test("An endless line ends the connection with a sentence, not the server")
    func endlessLine() async throws {
        try await withServer { path in
            let raw = try RawClient(path: path)
            let megabyte = String(repeating: "x", count: 1024 * 1024)
            for _ in 0..<17 { try? raw.send(megabyte) }
            #expect(try await raw.readLine().contains("a line may have \(JSONLine.limit) bytes"))
            let client = try await ControlClient.connect(path: path)
            #expect(try await client.request("echo") == .object([:]))
            await client.close()
        }
    }

    @Test("The socket is its owner's alone")
    func mode() async throws {
        try await withServer { path in
            var status = stat()
            #expect(lstat(path, &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600)
        }
    }

    @Test("A socket that a killed supervisor left is replaced; a file in its place is not")
    func leftovers() async throws {
        let stale = try RawClient.bindOnly(path: path)
        close(stale)
        try await withServer { path in
            let client = try await ControlClient.connect(path: path)
            #expect(try await client.request("echo") == .object([:]))
            await client.close()
        }
        #expect(access(path, F_OK) != 0, "a stopped server takes its socket away")
        close(open(path, O_CREAT | O_WRONLY, 0o600))
        await #expect(throws: ControlError.notASocket(path: path)) { try await withServer { _ in } }
    }

    @Test("No socket, and one that nobody listens on, both say how to start hostd")
    func notRunning() async throws {
        await #expect(throws: ControlError.notRunning(path: path)) { try await ControlClient.connect(path: path) }
        let stale = try RawClient.bindOnly(path: path)
        close(stale)
        await #expect(throws: ControlError.notRunning(path: path)) { try await ControlClient.connect(path: path) }
        #expect("\(ControlError.notRunning(path: "var/control.sock"))".contains("no socket at var/control.sock"))
    }

    @Test("A socket of somebody else is refused, unless its directory is its owner's alone and root asks")
    func foreignSocket() async throws {
        try #require(geteuid() == 0, "only root can make a file somebody else's: run the tests in the container")
        try await withServer { path in
            #expect(chown(path, 4711, 4711) == 0)
            await #expect(throws: ControlError.foreign(path: path, owner: 4711)) {
                try await ControlClient.connect(path: path)
            }
            #expect(chown(directory.path, 4711, 4711) == 0)
            let client = try await ControlClient.connect(path: path)
            await client.close()
            #expect(chown(directory.path, 0, 0) == 0 && chown(path, 0, 0) == 0)
        }
    }

    @Test("A path that is too long for a socket is refused in words")
    func longPath() async {
        let path = "/" + String(repeating: "d", count: 200)
        await #expect(throws: ControlError.pathTooLong(path: path, limit: 107)) {
            try await ControlClient.connect(path: path)
        }
    }

    @Test("A server that stops answers what was asked, then closes")
    func stopAnswersFirst() async throws {
        let (gate, opened) = AsyncStream<Void>.makeStream()
        let (entered, entry) = AsyncStream<Void>.makeStream()
        let server = try await ControlServer.start(path: path, on: MultiThreadedEventLoopGroup.singleton) { request in
            entry.yield()
            for await _ in gate { break }
            return ControlReply(id: request.id, result: .string("late"))
        }
        let client = try await ControlClient.connect(path: path)
        async let answer = client.request("slow")
        for await _ in entered { break }
        async let stopped: Void = server.stop()
        opened.yield()
        #expect(try await answer == .string("late"))
        await stopped
        await client.waitUntilClosed()
        await #expect(throws: ControlError.closed(command: "echo")) { try await client.request("echo") }
    }
}
