// SPDX-License-Identifier: Apache-2.0

import PluginKit
import PluginKitTesting
import TestSupport
import Testing

@testable import XMPPOut

/// Many sites that connect at once.
@Suite struct ConnectGateTests {
    private static let header =
        "<stream:stream xmlns='jabber:component:accept' "
        + "xmlns:stream='http://etherx.jabber.org/streams' id='1'>"

    private static func host(_ sites: Int) async throws -> FakeHost {
        let host = try await FakeHost(XMPPOutPlugin.self)
        host.streams.answer { $0.accept() }
        for number in 0..<sites {
            try await host.open("site\(number)", config: config(number))
        }
        await host.streams.opened.first?.settle()
        return host
    }

    private static func config(_ number: Int, port: String = "5347") -> [String: String] {
        var config = XMPPFixture.component
        config["domain"] = "c\(number).example"
        config["port"] = port
        return config
    }

    @Test("Only so many begin at once; each first byte, and each failure, lets the next one in, in order")
    func bounded() async throws {
        let width = ConnectGate.width
        let host = try await Self.host(width + 4)
        #expect(host.streams.opened.count == width)
        host.streams.opened[5].send(Self.header)
        try await eventually("one more") { host.streams.opened.count == width + 1 }
        host.streams.opened[7].close(.io)
        try await eventually("one more after a failure") { host.streams.opened.count == width + 2 }
        // Through already: its end makes no room.
        host.streams.opened[5].close()
        await host.streams.opened.first?.settle()
        #expect(host.streams.opened.count == width + 2)
        await host.close("site3")
        try await eventually("one more after a site's end") { host.streams.opened.count == width + 3 }
        try await eventually("its own header, too") {
            host.streams.opened[width + 2].text.contains("to='c\(width + 2).example'")
        }
    }

    @Test("A site that was closed while it waited is passed over")
    func passedOver() async throws {
        let width = ConnectGate.width
        let host = try await Self.host(width + 2)
        await host.close("site\(width)")
        host.streams.opened[0].send(Self.header)
        try await eventually("the one behind it") {
            host.streams.opened.last?.text.contains("to='c\(width + 1).example'") == true
        }
        #expect(host.streams.opened.count == width + 1)
    }

    @Test("Another server's sites don't wait, and a silent server holds nobody up for long")
    func others() async throws {
        let width = ConnectGate.width
        let host = try await Self.host(width + 2)
        try await host.open("elsewhere", config: Self.config(1000, port: "5348"))
        try await eventually("the other server's") { host.streams.opened.count == width + 1 }
        await host.clock.advance(by: XMPPConnection.passLimit)
        try await eventually("the rest") { host.streams.opened.count == width + 3 }
    }
}
