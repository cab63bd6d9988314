// SPDX-License-Identifier: Apache-2.0
import PluginABI
import Testing

@testable import PluginHost

@Suite struct LoopServiceTests {
    @Test("A timer fires once")
    func timer() async throws {
        let plugin = try await HostedPlugin()
        #expect(try await plugin.answer("timer 1") == "fired")
        try await plugin.onLoop { #expect($0.operations.count == 0) }
    }

    @Test("A periodic timer fires until it is cancelled, in its own callback too")
    func periodic() async throws {
        let plugin = try await HostedPlugin()
        #expect(try await plugin.answer("ticks 5") == "ticks=5 cancel=0 again=\(HOSTD_E_STALE)")
        try await plugin.onLoop { #expect($0.operations.count == 0) }
    }

    @Test("A cancelled timer never fires")
    func cancelled() async throws {
        let plugin = try await HostedPlugin()
        #expect(try await plugin.answer("timer-cancel") == "cancel=0 again=\(HOSTD_E_STALE)")
        #expect(try await plugin.answer("timer 20") == "fired")
    }

    @Test("A watched descriptor is reported for as long as there is something to read")
    func watch() async throws {
        let plugin = try await HostedPlugin()
        #expect(try await plugin.answer("watch") == "reads=3 last=c events=1")
        // The watcher's thread goes on with others.
        #expect(try await plugin.answer("watch") == "reads=3 last=c events=1")
    }
}
