// SPDX-License-Identifier: Apache-2.0

import PluginABI
import PluginKitTesting
import Testing

@testable import PluginKit

@Suite struct SiteTests {
    private let item = FakeItem(queue: "test", "hello")

    @Test("A configuration is read by type; a missing key is nil")
    func config() async throws {
        let host = try await host("config") { item in
            let config = item.config
            #expect(config.string("word") == "a b" && config.string("nothing") == nil)
            #expect(config.int("count") == 42 && config.int("word") == nil && config.bool("on") == true)
            #expect(config.list("hosts") == ["a", "b"] && config.list("nothing").isEmpty)
            #expect(config.root == "http://config.example/" && config.server == "config.example")
            #expect(config.nickname == "config" && config.title == "config's site" && config.generation > 0)
            return .done
        }
        try await host.reconfigure("config", config: ["word": "a b", "count": "42", "on": "true", "hosts": "a\nb"])
        #expect(await host.deliver(item, site: "config").outcome == .done)
    }

    @Test("A new configuration is taken whole or not at all, and items under way keep theirs")
    func reconfigure() async throws {
        let gate = Locked<UnsafeContinuation<Void, Never>?>(nil)
        let host = try await host("reconfigure") { item in
            let before = item.config.string("word")
            await withUnsafeContinuation { continuation in gate.withLock { $0 = continuation } }
            return .retry(
                reason: .other,
                "\(before ?? "") \(item.config.string("word") ?? "") \(item.site.config.string("word") ?? "")"
            )
        }
        async let delivery = host.deliver(item, site: "reconfigure")
        while gate.withLock({ $0 == nil }) { await Task.yield() }
        try await host.reconfigure("reconfigure", config: ["word": "second"])
        await #expect(throws: FakeHost.Refusal.self) {
            try await host.reconfigure("reconfigure", config: ["word": "refused"])
        }
        gate.withLock { $0?.resume() }
        #expect(await delivery.outcome.text == "none none second")
        #expect(TestPlugin.events.withLock { $0["reconfigure"] } == ["reconfigured from none to second"])
    }

    @Test("A site or plugin that refuses says why")
    func refusal() async throws {
        let host = try await FakeHost(TestPlugin.self)
        await #expect { try await host.open("refusal", config: ["word": "refused"]) } throws: {
            "\($0)" == "the word is refused"
        }
        await #expect { try await FakeHost(TestPlugin.self, lacking: [.metrics]) } throws: {
            "\($0)" == "hostd.metrics/1 (this host, hostd, fake, lacks it): not offered by this host"
        }
    }

    @Test("The C table says what the plugin's types say, and is built once")
    func table() throws {
        let pointer = PluginEntry.table(for: TestPlugin.self)
        #expect(pointer == PluginEntry.table(for: TestPlugin.self))
        let table = pointer.assumingMemoryBound(to: hostd_plugin.self).pointee
        #expect(table.struct_size == MemoryLayout<hostd_plugin>.size && String(cString: table.id) == "org.hostd.test")
        let handlers = (0..<Int(table.handler_count)).compactMap { table.handlers[$0]?.pointee }
        #expect(handlers.map { String(cString: $0.queue) } == ["test", "login"])
        #expect(handlers.map(\.flags) == [HOSTD_HF_NOTICE | HOSTD_HF_DELETE, HOSTD_HF_SINGLETON | HOSTD_HF_ORDERED])
        #expect(handlers[0].group == nil && String(cString: handlers[1].group) == "xmpp")
        #expect(handlers.map(\.max_in_flight) == [3, 1] && handlers.map(\.timeout_ms) == [1500, 0])
        #expect(handlers.map(\.max_attempts) == [7, 0])
        let keys = UnsafeBufferPointer(start: table.config_keys, count: Int(table.config_key_count))
        #expect(keys.map { String(cString: $0.name) } == ["word", "count", "secret"])
        #expect(keys.map(\.type) == [HOSTD_KEY_STRING, HOSTD_KEY_INT, HOSTD_KEY_STRING])
        #expect(keys.map(\.flags) == [0, 0, HOSTD_KF_REQUIRED | HOSTD_KF_SECRET])
        #expect(String(cString: keys[0].default_value) == "none" && keys[1].default_value == nil)
        #expect(table.output_count == 1 && table.outputs[0].map { String(cString: $0) } == "testin")
    }

    @Test("Durations round up to whole milliseconds and never wrap")
    func durations() {
        #expect(Duration.nanoseconds(1).wholeMilliseconds == 1 && Duration.milliseconds(1500).wholeMilliseconds == 1500)
        #expect(Duration.zero.wholeMilliseconds == 0 && Duration.seconds(-5).wholeMilliseconds == 0)
        #expect(Duration.seconds(Int64.max).wholeMilliseconds == .max)
    }

    @Test("A refusal's text is cut to the host's buffer")
    func report() {
        var buffer = [CChar](repeating: 1, count: 4)
        buffer.withUnsafeMutableBufferPointer { PluginKit.report("abcdef", to: $0.baseAddress, capacity: 4) }
        #expect(buffer == [97, 98, 99, 0])
    }
}
