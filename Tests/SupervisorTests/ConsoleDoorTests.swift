// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

@testable import Control
@testable import Supervisor

/// The console's listening socket, which is the supervisor's.
@Suite struct ConsoleDoorTests {
    private static func config(_ address: String) -> String {
        Fleet.config.replacing("console: { listen: \"\" }", with: "console: { listen: \"\(address)\" }")
    }

    private func freePort() throws -> Int {
        let socket = try ListeningSocket.tcp(host: "127.0.0.1", port: 0)
        defer { socket.close() }
        return try #require(socket.port)
    }

    private func isOpen(_ port: Int) async -> Bool {
        guard let client = try? await StompTestClient.connect(port: port) else { return false }
        try? await client.drop()
        return true
    }

    @Test("It stays open while a console is replaced, follows the configuration's address, and closes with the console")
    func address() async throws {
        let (first, second) = (try freePort(), try freePort())
        let fleet = try Fleet(config: Self.config("127.0.0.1:\(first)"))
        let console = try #require(try await fleet.wait("console", "ready").first)
        #expect(await isOpen(first))
        #expect(kill(console.pid, SIGKILL) == 0)
        try await fleet.wait("console", "ready", count: 2)
        #expect(await isOpen(first))

        try fleet.directory.write(Self.config("127.0.0.1:\(second)"), to: "hostd.yaml")
        #expect(await fleet.ask("update").result != nil)
        let lines = try await fleet.wait("console", "ready", count: 3)
        #expect(fleet.lines("console", "drained").count == 1)
        #expect(Set(lines.map(\.pid)).count == 3)
        #expect(await isOpen(second))
        #expect(await !isOpen(first))

        try fleet.directory.write(Fleet.config, to: "hostd.yaml")
        #expect(await fleet.ask("update").result != nil)
        try await fleet.wait("console", "drained", count: 2)
        try await eventually("the door is closed") { await !isOpen(second) }
        #expect(try await fleet.stop() == 0)
    }

    @Test("An address that is taken is the console's to complain of; hostd runs on")
    func taken() async throws {
        let other = try ListeningSocket.tcp(host: "127.0.0.1", port: 0)
        defer { other.close() }
        let fleet = try Fleet(config: Self.config("127.0.0.1:\(try #require(other.port))"))
        try await fleet.wait("console", "started")
        try await fleet.waitForWorkers(2)
        #expect(try await fleet.stop() == 0)
    }

    @Test("A stop closes it")
    func stopped() async throws {
        let port = try freePort()
        let fleet = try Fleet(config: Self.config("127.0.0.1:\(port)"))
        try await fleet.wait("console", "ready")
        #expect(try await fleet.stop() == 0)
        #expect(await !isOpen(port))
    }
}
