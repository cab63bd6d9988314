// SPDX-License-Identifier: Apache-2.0
import Glibc
import NIOCore
import NIOPosix
import TestSupport
import Testing

@testable import Control

/// What goes on in another process; here it is the same one, with a copy of the descriptor in the place of an exec.
@Suite struct HandingOverTests {
    private let loop = MultiThreadedEventLoopGroup.singleton.next()

    private func copy(_ descriptor: CInt) -> CInt { fcntl(descriptor, F_DUPFD_CLOEXEC, 0) }

    @Test("A child's line is handed over in the middle of a message: nothing is lost, nothing heard twice")
    func midLine() async throws {
        var ends: [CInt] = [0, 0]
        #expect(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
        defer { close(ends[1]) }
        let (before, after) = (EventLog<ChildMessage>(), EventLog<ChildMessage>())
        let first = try await ChildLink.open(
            descriptor: ends[0],
            on: loop,
            receive: { before.append($0) },
            lost: {}
        ).get()
        let spare = copy(ends[0])
        let (head, tail) = ("{\"ready\":{}}\n{\"failed\":{\"_0\":\"in two", " parts\"}}\n{\"drained\":{}}\n")
        #expect(write(ends[1], head, head.utf8.count) == head.utf8.count)
        #expect(try await before.next() == .ready)
        let remainder = try await first.handOver().get()
        #expect(String(decoding: remainder.unread, as: UTF8.self) == "{\"failed\":{\"_0\":\"in two")
        #expect(write(ends[1], tail, tail.utf8.count) == tail.utf8.count)
        let second = try await ChildLink.open(
            descriptor: spare,
            remainder: remainder,
            on: loop,
            receive: { after.append($0) },
            lost: {}
        ).get()
        #expect(try await after.first(2) == [.failed("in two parts"), .drained])
        #expect(before.all == [.ready])
        second.close()
        first.close()
    }

    @Test("A request of the next holder gets no reply that was meant for the one before")
    func requestNumbers() async throws {
        var ends: [CInt] = [0, 0]
        #expect(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
        let first = try await ChildLink.open(descriptor: ends[0], on: loop, receive: { _ in }, lost: {}).get()
        let spare = copy(ends[0])
        let (child, messages) = try await ChildChannel.open(descriptor: ends[1], on: loop)
        let unanswered = first.request("old")
        unanswered.whenComplete { _ in }
        let remainder = try await first.handOver().get()
        #expect(remainder.lastRequest == 1)
        let second = try await ChildLink.open(
            descriptor: spare,
            remainder: remainder,
            on: loop,
            receive: { _ in },
            lost: {}
        ).get()
        let answer = second.request("new")
        var asked: [ControlRequest] = []
        for await message in messages {
            if case .request(let request) = message { asked.append(request) }
            if asked.count == 2 { break }
        }
        for request in asked { child.send(.reply(ControlReply(id: request.id, result: .string(request.command)))) }
        #expect(try await answer.get() == .string("new"))
        first.close()
        second.close()
        child.close()
    }

    @Test("A child that doesn't read isn't waited for")
    func childThatHangs() async throws {
        var ends: [CInt] = [0, 0]
        #expect(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
        defer { close(ends[1]) }
        let link = try await ChildLink.open(descriptor: ends[0], on: loop, receive: { _ in }, lost: {}).get()
        let text = String(repeating: "x", count: 1 << 20)
        for number in 0..<8 { link.send(.workerExited(pid: CInt(number), cause: text)) }
        await #expect(throws: ControlError.self) { try await link.handOver(timeLimit: .milliseconds(50)).get() }
        link.close()
    }

    @Test("One that is taken back goes on where it stopped")
    func takenBack() async throws {
        var ends: [CInt] = [0, 0]
        #expect(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
        defer { close(ends[1]) }
        let heard = EventLog<ChildMessage>()
        let link = try await ChildLink.open(descriptor: ends[0], on: loop, receive: { heard.append($0) }, lost: {})
            .get()
        _ = try await link.handOver().get()
        let text = "{\"drained\":{}}\n"
        #expect(write(ends[1], text, text.utf8.count) == text.utf8.count)
        link.resume()
        #expect(try await heard.next() == .drained)
        link.close()
    }

    @Test("A control connection goes on with the next server: what had no answer is asked again, half a line is kept")
    func controlConnection() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/control.sock"
        let (asked, never) = (EventLog<String>(), EventLog<Void>())
        let first = try await ControlServer.start(path: path, on: loop) { request in
            asked.append(request.command)
            if request.command == "slow" { try? await never.next(within: .seconds(60)) }
            return ControlReply(id: request.id, result: .string("first"))
        }
        let client = try RawClient(path: path)
        try client.send("{\"id\":1,\"command\":\"fast\",\"arguments\":{}}\n")
        #expect(try await client.readLine().contains("\"first\""))
        try client.send("{\"id\":2,\"command\":\"slow\",\"arguments\":{}}\n{\"id\":3,\"comm")
        _ = try await asked.first { $0 == "slow" }
        // The half line comes after the whole one, in one read or in the next: the handover has it, or the socket has.
        let handed = try #require(await copied(first.handOver()))
        #expect(handed.connections.map { $0.unanswered.map(\.command) } == [["slow"]])
        let late = try RawClient(path: path)
        try late.send("{\"id\":9,\"command\":\"late\",\"arguments\":{}}\n")
        let second = try await ControlServer.start(path: path, handed: handed, on: loop) { request in
            ControlReply(id: request.id, result: .string("second \(request.command)"))
        }
        #expect(try await client.readLine().contains("second slow"))
        try client.send("and\":\"rest\",\"arguments\":{}}\n")
        #expect(try await client.readLine().contains("second rest"))
        #expect(try await late.readLine().contains("second late"))
        never.append(())
        await second.stop()
    }

    @Test("A server that takes its connections back answers what came meanwhile")
    func controlTakenBack() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/control.sock"
        let gate = EventLog<Void>()
        let asked = EventLog<String>()
        let server = try await ControlServer.start(path: path, on: loop) { request in
            asked.append(request.command)
            try? await gate.next(within: .seconds(60))
            return ControlReply(id: request.id, result: .string(request.command))
        }
        let client = try RawClient(path: path)
        try client.send("{\"id\":1,\"command\":\"one\",\"arguments\":{}}\n")
        _ = try await asked.first { $0 == "one" }
        _ = await server.handOver()
        gate.append(())
        try client.send("{\"id\":2,\"command\":\"two\",\"arguments\":{}}\n")
        gate.append(())
        server.resume()
        #expect(try await client.readLine().contains("\"one\""))
        #expect(try await client.readLine().contains("\"two\""))
        await server.stop()
    }

    /// With descriptors of its own, as after an exec.
    private func copied(_ handed: ControlServer.Handed) -> ControlServer.Handed? {
        var handed = handed
        handed.listener = ListeningSocket(descriptor: copy(handed.listener.descriptor))
        for index in handed.connections.indices {
            handed.connections[index].descriptor = copy(handed.connections[index].descriptor)
        }
        return handed
    }
}
