// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import NIOCore
import NIOPosix
import Testing
import TestSupport

@testable import Console

/// The role as the supervisor sees it: over its channel, from the first message to the exit status.
@Suite struct ConsoleMainTests {
    private let loop = MultiThreadedEventLoopGroup.singleton.next()

    private struct Role {
        let link: ChildLink
        let heard: EventLog<ChildMessage>
        let status: Task<Int32, any Error>
    }

    private func start(on door: ListeningSocket? = nil) async throws -> Role {
        var ends: [Int32] = [0, 0]
        #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
        let heard = EventLog<ChildMessage>()
        let link = try await ChildLink.open(
            descriptor: ends[0],
            on: loop,
            receive: { heard.append($0) },
            lost: { heard.finish() }
        ).get()
        let (descriptor, loop) = (ends[1], loop)
        let status = Task { try await Console.run(channelDescriptor: descriptor, door: door, on: loop) }
        return Role(link: link, heard: heard, status: status)
    }

    private func configuration(
        port: Int = 0,
        host: String = "127.0.0.1",
        token: String? = nil
    ) -> RoleConfiguration {
        .console(ConsoleConfiguration(listenHost: host, listenPort: port, token: token, controlSocket: "/nowhere"))
    }

    @Test("It says ready once it serves, answers pings, and a drain ends it with 0")
    func life() async throws {
        let role = try await start()
        role.link.send(.configure(configuration()))
        #expect(try await role.heard.next() == .ready)
        role.link.send(.ping(7))
        guard case .pong(7, let vitals) = try await role.heard.next() else {
            Issue.record("no pong")
            return
        }
        #expect(vitals.residentBytes > 1 << 20)
        // The same again, and another: neither is a second ready.
        role.link.send(.configure(configuration()))
        role.link.send(.configure(configuration(host: "localhost")))
        role.link.send(.drain(timeoutMs: 1000))
        #expect(try await role.heard.next() == .drained)
        #expect(try await role.status.value == 0)
    }

    @Test(
        "It ends by itself when the supervisor is gone, before and after its configuration",
        arguments: [false, true]
    )
    func supervisorLost(isConfigured: Bool) async throws {
        let role = try await start()
        if isConfigured {
            role.link.send(.configure(configuration()))
            #expect(try await role.heard.next() == .ready)
        }
        role.link.close()
        #expect(try await role.status.value == 0)
    }

    @Test("A port in use is one clear line and exit status 1")
    func portInUse() async throws {
        let other = try await ServerBootstrap(group: loop).bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(other.localAddress?.port)
        let role = try await start()
        role.link.send(.configure(configuration(port: port)))
        guard case .failed(let line) = try await role.heard.next() else {
            Issue.record("it didn't fail")
            return
        }
        #expect(line.hasPrefix("console.listen: 127.0.0.1:\(port) is in use by another program"))
        #expect(try await role.status.value == 1)
        try await other.close()
    }

    @Test("An address of another machine, and another role's configuration, are refused")
    func refused() async throws {
        for configuration in [
            configuration(host: "192.0.2.1"), .broker(BrokerConfiguration(stateDirectory: "/nowhere")),
        ] {
            let role = try await start()
            role.link.send(.configure(configuration))
            guard case .failed(let line) = try await role.heard.next() else {
                Issue.record("it didn't fail")
                continue
            }
            #expect(line.contains("not an address of this machine") || line.contains("another role"))
            #expect(try await role.status.value == 1)
        }
    }

    @Test("On a socket of the supervisor's it serves whoever came before it, and leaves it open for the next console")
    func door() async throws {
        let door = try ListeningSocket.tcp(host: "127.0.0.1", port: 0)
        defer { door.close() }
        let port = try #require(door.port)
        for _ in 1...2 {
            let client = try await StompTestClient.connect(port: port)
            try await client.send("GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            let role = try await start(on: door)
            role.link.send(.configure(configuration(port: port)))
            #expect(try await role.heard.next() == .ready)
            // Whatever the answer is: the connection ends after it.
            try await client.closed()
            #expect(String(decoding: client.received, as: UTF8.self).hasPrefix("HTTP/1.1 503 "))
            // Another configuration of the same address, on the same socket.
            role.link.send(.configure(configuration(port: port, token: "secret")))
            role.link.send(.drain(timeoutMs: 1000))
            #expect(try await role.heard.next() == .drained)
            #expect(try await role.status.value == 0)
        }
    }

    @Test("What it is asked it declines, and goes on")
    func requests() async throws {
        let role = try await start()
        role.link.send(.configure(configuration()))
        #expect(try await role.heard.next() == .ready)
        await #expect(throws: ControlError.self) { try await role.link.request("dance").get() }
        role.link.send(.drain(timeoutMs: 1000))
        #expect(try await role.status.value == 0)
    }
}

/// The line to the supervisor, over a real control socket.
@Suite struct SupervisorLinkTests {
    private let group = MultiThreadedEventLoopGroup.singleton

    @Test("Many questions share one connection; after a restart of the supervisor it connects again")
    func reconnects() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("control.sock")
        let link = SupervisorLink(path: path, on: group)
        await #expect(throws: ControlError.notRunning(path: path)) { try await link.ask("ping") }
        for round in 1...3 {
            let server = try await ControlServer.start(path: path, on: group) { request in
                ControlReply(id: request.id, result: .string("\(request.command) \(round)"))
            }
            try await withThrowingTaskGroup(of: JSONValue.self) { tasks in
                for _ in 0..<20 { tasks.addTask { try await link.ask("ping") } }
                for try await answer in tasks { #expect(answer == .string("ping \(round)")) }
            }
            await server.stop()
        }
        await link.close()
    }
}
