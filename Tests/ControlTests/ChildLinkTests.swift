// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import NIOCore
import NIOPosix
import QueueCore
import Testing

@Suite struct ChildLinkTests {
    private let loop = MultiThreadedEventLoopGroup.singleton.next()

    /// Both ends in one process, with what each end hears.
    private struct Pair {
        var link: ChildLink
        var fromChild: AsyncStream<ChildMessage>
        var child: ChildChannel
        var toChild: AsyncStream<SupervisorMessage>
    }

    private func pair() async throws -> Pair {
        var ends: [Int32] = [0, 0]
        #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
        let (fromChild, continuation) = AsyncStream<ChildMessage>.makeStream()
        let link = try await ChildLink.open(
            descriptor: ends[0],
            on: loop,
            receive: { continuation.yield($0) },
            lost: { continuation.finish() }
        ).get()
        let (child, toChild) = try await ChildChannel.open(descriptor: ends[1], on: loop)
        return Pair(link: link, fromChild: fromChild, child: child, toChild: toChild)
    }

    @Test("Every message crosses in order and unchanged, in both directions")
    func messages() async throws {
        let pair = try await pair()
        var broker = BrokerConfiguration(stateDirectory: "/var/lib/hostd")
        broker.priorities = [QueueName(unchecked: "omb"): 9]
        broker.sites = [SiteEntry(nickname: SiteName(unchecked: "alice"), server: "alice.example", plugins: [])]
        let down: [SupervisorMessage] = [
            .configure(.broker(broker)), .ping(1), .workerExited(pid: 7, cause: "signal 11 (Segmentation fault)"),
            .drain(timeoutMs: 30_000),
        ]
        let up: [ChildMessage] = [
            .ready, .pong(1, ChildVitals(residentBytes: 1 << 40, inFlight: 3)),
            .pong(
                2,
                ChildVitals(
                    residentBytes: 1,
                    inFlight: 0,
                    outcomes: [QueueName(unchecked: "omb"): OutcomeTally(done: 7)]
                )
            ),
            .siteState(SiteName(unchecked: "alice"), error: "no\nsecret"),
            .command("update", ["site": .string("alice")]), .failed("broken"), .drained,
        ]
        for message in down { pair.link.send(message) }
        for message in up { pair.child.send(message) }
        pair.child.close()
        var heardDown: [SupervisorMessage] = []
        for await message in pair.toChild { heardDown.append(message) }
        var heardUp: [ChildMessage] = []
        for await message in pair.fromChild { heardUp.append(message) }
        #expect(heardUp == up)
        // The child closed while the supervisor's words were on their way: what it heard is a beginning of them.
        #expect(heardDown == Array(down.prefix(heardDown.count)))
    }

    @Test("A request is answered by the reply with its id; replies may overtake each other")
    func requests() async throws {
        let pair = try await pair()
        let first = pair.link.request("slow")
        let second = pair.link.request("fast", ["n": .int(2)])
        var requests: [String: ControlRequest] = [:]
        for await message in pair.toChild {
            guard case .request(let request) = message else { continue }
            requests[request.command] = request
            if requests.count == 2 { break }
        }
        let fast = try #require(requests["fast"])
        let slow = try #require(requests["slow"])
        #expect(fast.arguments == ["n": .int(2)])
        pair.child.send(.reply(ControlReply(id: fast.id, result: .string("fast"))))
        pair.child.send(.reply(ControlReply(id: slow.id, error: "too slow")))
        #expect(try await second.get() == .string("fast"))
        await #expect(throws: ControlError.refused("too slow")) { try await first.get() }
        pair.link.close()
    }

    @Test("A child that dies fails what it was asked, and every later request")
    func deathFailsRequests() async throws {
        let pair = try await pair()
        let answer = pair.link.request("status")
        for await case .request in pair.toChild { break }
        pair.child.close()
        await #expect(throws: ControlError.closed(command: "status")) { try await answer.get() }
        for await _ in pair.fromChild {}
        await #expect(throws: ControlError.closed(command: "later")) { try await pair.link.request("later").get() }
    }

    @Test("The child's stream ends when the supervisor's end is gone")
    func supervisorLost() async throws {
        let pair = try await pair()
        pair.link.send(.ping(1))
        pair.link.close()
        for await _ in pair.toChild {}
        pair.child.send(.ready)
    }

    @Test("Words that this version doesn't know are left out, known ones around them are heard")
    func unknownWords() async throws {
        var ends: [Int32] = [0, 0]
        #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
        let (child, messages) = try await ChildChannel.open(descriptor: ends[1], on: loop)
        let text = "{\"ping\":{\"_0\":1}}\n{\"dance\":{}}\nnot JSON\n{\"ping\":{\"_0\":2,\"more\":true}}\n"
        #expect(write(ends[0], text, text.utf8.count) == text.utf8.count)
        close(ends[0])
        var heard: [SupervisorMessage] = []
        for await message in messages { heard.append(message) }
        #expect(heard == [.ping(1), .ping(2)])
        child.close()
    }
}
