// SPDX-License-Identifier: Apache-2.0
import PluginABI
import Telemetry
import Testing

@testable import PluginHost

@Suite struct HostCallTests {
    @Test("Serial calls from a thread are refused, the others work, and post() leads back")
    func wrongThread() async throws {
        let plugin = try await HostedPlugin()
        #expect(try await plugin.answer("thread") == "posted")
        let refused = HOSTD_E_THREAD
        #expect(
            try await plugin.report("enqueue=")
                == "enqueue=\(refused) timer=\(refused) cancel=\(refused) http=\(refused) now=1"
        )
    }

    @Test("The plugin's keys and the site's are in its configuration; a missing key is empty")
    func config() async throws {
        let plugin = try await HostedPlugin(values: ["open": "yes"])
        #expect(try await plugin.answer("config open") == "status=0 value=yes generation=1")
        #expect(try await plugin.answer("config site.nickname") == "status=0 value=alice generation=1")
        #expect(try await plugin.answer("config site.server") == "status=0 value=alice.example generation=1")
        #expect(try await plugin.answer("config site.root") == "status=0 value=http://alice.example/ generation=1")
        #expect(try await plugin.answer("config site.name") == "status=0 value=Alice's generation=1")
        #expect(try await plugin.answer("config none") == "status=\(HOSTD_E_NOTFOUND) value= generation=1")
    }

    @Test("A site's name is found by its handle, another handle is stale")
    func siteName() async throws {
        let plugin = try await HostedPlugin()
        #expect(try await plugin.answer("name") == "status=0 name=alice stale=\(HOSTD_E_STALE) none=0")
    }

    @Test("Unknown extensions are NULL")
    func extensions() async throws {
        let plugin = try await HostedPlugin()
        #expect(try await plugin.answer("extensions") == "http=1 cache=1 stream=1 other=0")
    }

    @Test("A metric is defined in init only, and counts by site")
    func metrics() async throws {
        let plugin = try await HostedPlugin()
        let invalid = HOSTD_E_INVAL
        #expect(try await plugin.answer("metric") == "record=0 unknown=\(invalid) late=\(invalid)")
        _ = try await plugin.answer("metric")
        let sample = try #require(plugin.instance.metrics.samples.first)
        #expect(sample.name == "hostd_plugin_scripted_things_total")
        #expect(sample.labels == ["plugin": "scripted", "site": "alice"])
        #expect(sample.value == 4)
    }
}
