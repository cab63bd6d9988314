// SPDX-License-Identifier: Apache-2.0
import NIOCore
import PluginABI
import Testing
import TestSupport

@testable import PluginHost

@Suite struct StreamServiceTests {
    private static let trusted = HOSTD_S_TRUSTED

    private func connected(
        _ server: ByteServer,
        _ adjust: (inout PluginSettings) -> Void = { _ in }
    ) async throws -> HostedPlugin {
        let plugin = try await HostedPlugin("connected", adjust)
        #expect(try await plugin.answer("open a \(Self.trusted) 127.0.0.1 \(server.port) 0 - - -") == "opened")
        #expect(try await plugin.report("a connected") == "a connected 0")
        return plugin
    }

    private func nothingIsLeft(_ plugin: HostedPlugin) async throws {
        try await plugin.onLoop { #expect($0.operations.count == 0) }
    }

    @Test("Bytes go both ways, and the server's end is the last event")
    func bothWays() async throws {
        let server = try await ByteServer()
        let plugin = try await connected(server)
        #expect(try await plugin.answer("write a hello") == "status=0")
        #expect(try await plugin.report("a data") == "a data hello")
        #expect(try await plugin.answer("write a cut") == "status=0")
        #expect(try await plugin.report("a closed") == "a closed 0")
        #expect(plugin.sink.holds.all.map(\.text) == ["a connected 0", "a data hello", "a closed 0"])
        #expect(try await plugin.answer("write a late") == "status=\(HOSTD_E_STALE)")
        try await nothingIsLeft(plugin)
    }

    @Test("A server that closes its writing side ends the stream; what it sent before is told first")
    func halfClose() async throws {
        let server = try await ByteServer()
        let plugin = try await connected(server)
        try await server.send("goodbye")
        #expect(try await plugin.answer("write a half") == "status=0")
        #expect(try await plugin.report("a closed") == "a closed 0")
        #expect(plugin.sink.holds.all.map(\.text) == ["a connected 0", "a data goodbye", "a closed 0"])
    }

    @Test("A connection that is reset is an error")
    func reset() async throws {
        let server = try await ByteServer()
        let plugin = try await connected(server)
        #expect(try await plugin.answer("write a reset") == "status=0")
        #expect(try await plugin.report("a closed") == "a closed \(HOSTD_E_IO)")
    }

    @Test("Close sends what was written, and takes no more")
    func closeFlushes() async throws {
        let server = try await ByteServer(.silent)
        let plugin = try await connected(server)
        #expect(try await plugin.answer("flood a 3 300000") == "written=3 status=0")
        #expect(
            try await plugin.answer("write-close a the-end") == "status=0 close=0 late=\(HOSTD_E_STALE)"
        )
        try await server.read()
        #expect(try await plugin.report("a closed") == "a closed 0")
        try await eventually("all is there") { server.bytes == 900_007 }
    }

    @Test("A server that takes nothing can't keep a closing stream for ever")
    func closeLimit() async throws {
        let server = try await ByteServer(.silent)
        let plugin = try await HostedPlugin("connected")
        _ = try await plugin.answer("open a \(Self.trusted) 127.0.0.1 \(server.port) 300 - - -")
        _ = try await plugin.report("a connected")
        #expect(try await plugin.answer("flood a 1 64000000") == "written=1 status=0")
        #expect(try await plugin.answer("close a") == "status=0")
        #expect(try await plugin.report("a closed") == "a closed \(HOSTD_E_TIMEOUT)")
    }

    @Test("A write over the high-water mark is refused until the server has taken enough")
    func backPressure() async throws {
        let server = try await ByteServer(.silent)
        let plugin = try await connected(server)
        let flood = try await plugin.answer("flood a 10000 100000")
        #expect(flood.hasSuffix("status=\(HOSTD_E_LIMIT)"))
        try await server.read()
        #expect(try await plugin.report("a writable") == "a writable 0")
        #expect(try await plugin.answer("write a more") == "status=0")
        let count = try #require(Int(flood.dropFirst("written=".count).prefix { $0 != " " }))
        try await eventually("all is there, and nothing of what was refused") { server.bytes == count * 100_000 + 4 }
    }

    @Test("While paused nothing is told, not even the end; then all is, in order")
    func pause() async throws {
        let server = try await ByteServer()
        let plugin = try await connected(server)
        #expect(try await plugin.answer("pause a 1") == "status=0")
        try await server.send("one")
        try await server.send("two")
        try await server.connection().close()
        #expect(try await plugin.answer("c-remove x") == "status=\(HOSTD_E_NOTFOUND) value= number=0")
        #expect(plugin.sink.holds.all.filter { $0.text.hasPrefix("a data") }.isEmpty)
        #expect(try await plugin.answer("pause a 0") == "status=0")
        #expect(try await plugin.report("a closed") == "a closed 0")
        let texts = plugin.sink.holds.all.map(\.text)
        let data = texts.filter { $0.hasPrefix("a data ") }.map { $0.dropFirst("a data ".count) }
        #expect(data.joined() == "onetwo" && texts.last == "a closed 0")
    }

    @Test("A cancelled stream tells nothing more, and its connection ends")
    func cancel() async throws {
        let server = try await ByteServer()
        let plugin = try await connected(server)
        let channel = try await server.connection()
        let stale = HOSTD_E_STALE
        #expect(try await plugin.answer("cancel a") == "cancel=0 again=\(stale) write=\(stale)")
        try await channel.closeFuture.get()
        #expect(plugin.sink.holds.all.map(\.text) == ["a connected 0"])
        // Also before it is connected.
        _ = try await plugin.answer("open b \(Self.trusted) 127.0.0.1 \(server.port) 0 - - -")
        _ = try await plugin.answer("cancel b")
        try await nothingIsLeft(plugin)
    }

    @Test("A site's close takes its streams along, without an event")
    func siteClose() async throws {
        let server = try await ByteServer()
        let plugin = try await connected(server)
        let channel = try await server.connection()
        try await plugin.onLoop { $0.drain(HostedPlugin.site, within: .seconds(5)) {} }
        try await channel.closeFuture.get()
        #expect(try await plugin.report("site closed") == "site closed")
        #expect(plugin.sink.holds.all.map(\.text) == ["a connected 0", "site closed"])
        try await nothingIsLeft(plugin)
    }

    @Test("Private addresses are refused before a byte is sent, as literals and behind names")
    func guarded() async throws {
        let server = try await ByteServer()
        let plugin = try await HostedPlugin("connected")
        #expect(
            try await plugin.answer("open a 0 127.0.0.1 \(server.port) 0 - - -") == "refused=\(HOSTD_E_DENIED)"
        )
        #expect(try await plugin.answer("open b \(HOSTD_S_TLS) localhost \(server.port) 0 - - -") == "opened")
        #expect(try await plugin.report("b closed") == "b closed \(HOSTD_E_DENIED)")
        #expect(server.bytes == 0)
    }

    @Test("The operator may allow private addresses for all")
    func allowPrivate() async throws {
        let server = try await ByteServer()
        let plugin = try await HostedPlugin("connected") { $0.http.allowPrivate = true }
        #expect(try await plugin.answer("open a 0 localhost \(server.port) 0 - - -") == "opened")
        #expect(try await plugin.report("a connected") == "a connected 0")
    }

    @Test("Where nobody listens the stream is closed with an error")
    func refused() async throws {
        let plugin = try await HostedPlugin("connected")
        let port: Int
        do { port = try await ByteServer().port }
        #expect(try await plugin.answer("open a \(Self.trusted) 127.0.0.1 \(port) 0 - - -") == "opened")
        #expect(try await plugin.report("a closed") == "a closed \(HOSTD_E_IO)")
        try await nothingIsLeft(plugin)
    }

    @Test(
        "A request that isn't one is refused",
        arguments: [" 5222", "127.0.0.1 0", "127.0.0.1 70000", "a\u{1}b 5222"]
    )
    func invalid(hostAndPort: String) async throws {
        let plugin = try await HostedPlugin("connected")
        #expect(
            try await plugin.answer("open a \(Self.trusted) \(hostAndPort) 0 - - -") == "refused=\(HOSTD_E_INVAL)"
        )
    }

    @Test("Several streams don't mix")
    func several() async throws {
        let server = try await ByteServer()
        let plugin = try await HostedPlugin("connected")
        for name in ["a", "b", "c"] {
            _ = try await plugin.answer("open \(name) \(Self.trusted) 127.0.0.1 \(server.port) 0 - - -")
            _ = try await plugin.report("\(name) connected")
            _ = try await plugin.answer("write \(name) from-\(name)")
        }
        for name in ["a", "b", "c"] {
            #expect(try await plugin.report("\(name) data") == "\(name) data from-\(name)")
        }
    }
}
