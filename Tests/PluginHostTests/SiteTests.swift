// SPDX-License-Identifier: Apache-2.0
import NIOCore
import QueueCore
import Testing
import TestSupport
import WorkerLink

@testable import PluginHost

@Suite struct SiteTests {
    @Test("A site that the plugin refuses to open stays closed, with the plugin's words")
    func refused() async throws {
        let plugin = try await HostedPlugin(opensSite: false)
        await #expect {
            try await plugin.onLoop { try $0.open(HostedPlugin.settings(["open": "refuse"])) }
        } throws: {
            "\($0)".contains("told to refuse")
        }
        #expect(try await plugin.run("done").outcome.code == .giveBack)
        try await plugin.onLoop { try $0.open(HostedPlugin.settings()) }
        #expect(try await plugin.run("done").outcome.code == .done)
    }

    @Test("A change gives later items a new snapshot")
    func reconfigured() async throws {
        let plugin = try await HostedPlugin(values: ["open": "one"])
        #expect(try await plugin.onLoop { try $0.reconfigure(HostedPlugin.settings(["open": "two"])) })
        #expect(try await plugin.answer("config open") == "status=0 value=two generation=2")
    }

    @Test("A refused change leaves the old configuration in force")
    func changeRefused() async throws {
        let plugin = try await HostedPlugin(values: ["open": "one"])
        await #expect(throws: PluginHostError.self) {
            try await plugin.onLoop { try $0.reconfigure(HostedPlugin.settings(["open": "refuse"])) }
        }
        #expect(try await plugin.answer("config open") == "status=0 value=one generation=1")
    }

    @Test("A plugin without site_reconfigure can't change an open site")
    func notReconfigurable() async throws {
        let plugin = try await HostedPlugin(macros: ["NO_RECONFIGURE": "1"])
        #expect(try await !plugin.onLoop { try $0.reconfigure(HostedPlugin.settings(["open": "two"])) })
    }

    @Test("A drain takes no more items, lets those in flight end, then closes the site")
    func drain() async throws {
        let plugin = try await HostedPlugin()
        let closed = EventLog<String>()
        let ids = try await plugin.send(["timer 50"])
        try await plugin.onLoop { $0.drain(HostedPlugin.site, within: .seconds(10)) { closed.append("closed") } }
        #expect(try await plugin.run("done").outcome.code == .giveBack)
        #expect(try await plugin.sink.results.first { ids.contains($0.id) }.outcome.text == "fired")
        _ = try await closed.next()
        #expect(plugin.sink.holds.all.map(\.text) == ["drain ahead=1", "close"])
        try await plugin.onLoop { #expect($0.siteNames.isEmpty) }
    }

    @Test("At the end of a drain's time the rest is given back, which says that something may have gone out")
    func drainDeadline() async throws {
        let plugin = try await HostedPlugin()
        let closed = EventLog<String>()
        let ids = try await plugin.send(["never", "cancellable"])
        try await plugin.onLoop { $0.drain(HostedPlugin.site, within: .milliseconds(100)) { closed.append("closed") } }
        _ = try await closed.next()
        let results = plugin.sink.results.all
        #expect(results.map(\.id).sorted() == ids)
        let never = try #require(results.first { $0.id == ids[0] })
        #expect(never.outcome.code == .giveBack)
        #expect(never.outcome.maybeDelivered)
        // Near the end it was asked to let go, and did.
        #expect(results.first { $0.id == ids[1] }?.outcome.code == .defer)
    }

    @Test("A site's operations end with it")
    func operationsEnd() async throws {
        let plugin = try await HostedPlugin()
        let closed = EventLog<String>()
        try await plugin.send(["timer 60000"])
        try await plugin.onLoop { #expect($0.operations.count == 1) }
        try await plugin.onLoop { $0.drain(HostedPlugin.site, within: .milliseconds(50)) { closed.append("closed") } }
        _ = try await closed.next()
        try await plugin.onLoop { #expect($0.operations.count == 0) }
    }
}
