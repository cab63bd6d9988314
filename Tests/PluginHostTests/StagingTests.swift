// SPDX-License-Identifier: Apache-2.0
import NIOConcurrencyHelpers
import PluginABI
import QueueCore
import Testing
import TestSupport
import WorkerLink

@testable import PluginHost

@Suite struct StagingTests {
    @Test("Staged items go with DONE, whatever stride the plugin's header has")
    func staged() async throws {
        let plugin = try await HostedPlugin()
        let result = try await plugin.run("stage 3")
        #expect(try await plugin.report("stage=") == "stage=0")
        #expect(result.staged.count == 3)
        #expect(result.staged.map(\.delayMs) == [0, 1, 2])
        let item = try #require(result.staged.first)
        #expect(item.queue.rawValue == "out")
        #expect(item.payload.count == 8)
        #expect(item.shared == Array("in common".utf8))
        #expect(item.target == "target")
        #expect(item.lane.isEmpty)
        // The ABI's 8 is STOMP's 7.
        #expect(item.priority == 7)
    }

    @Test("An output of the plugin is a queue that it may fill")
    func output() async throws {
        let plugin = try await HostedPlugin()
        #expect(try await plugin.run("stage-output").staged.map(\.queue.rawValue) == ["elsewhere"])
    }

    @Test("A call stages all of its items or none")
    func allOrNone() async throws {
        let plugin = try await HostedPlugin()
        let result = try await plugin.run("stage-mixed")
        #expect(try await plugin.report("bad=") == "bad=\(HOSTD_E_INVAL) good=0")
        #expect(result.staged.count == 2)
    }

    @Test("At most 1000 items a delivery", arguments: [(1000, 0, 1000), (1001, -5, 0)])
    func itemLimit(count: Int, status: Int32, staged: Int) async throws {
        let plugin = try await HostedPlugin()
        let result = try await plugin.run("stage \(count)")
        #expect(try await plugin.report("stage=") == "stage=\(status)")
        #expect(result.staged.count == staged)
    }

    @Test("At most 4 MiB a delivery and 1 MiB an item")
    func byteLimit() async throws {
        let plugin = try await HostedPlugin()
        let result = try await plugin.run("stage-big")
        #expect(
            try await plugin.report("first=") == "first=0 more=\(HOSTD_E_LIMIT) huge=\(HOSTD_E_LIMIT)"
        )
        #expect(result.staged.count == 4)
    }

    @Test("Staged items are dropped with RETRY, and refused after complete()")
    func dropped() async throws {
        let plugin = try await HostedPlugin()
        #expect(try await plugin.run("stage-drop").staged.isEmpty)
        #expect(try await plugin.run("stage-late").staged.isEmpty)
        #expect(try await plugin.report("late=") == "late=\(HOSTD_E_STALE)")
    }

    @Test("Items can be added outside a delivery, and the plugin hears when they are durable")
    func enqueue() async throws {
        let plugin = try await HostedPlugin()
        #expect(try await plugin.answer("enqueue out") == "enqueued=0")
        #expect(plugin.sink.enqueued.all.first?.first?.payload == Array("from outside".utf8))
        plugin.sink.enqueueError.withLockedValue { $0 = "the disk is full" }
        #expect(try await plugin.answer("enqueue elsewhere") == "enqueued=\(HOSTD_E_FAIL)")
        #expect(try await plugin.answer("enqueue nowhere") == "refused=\(HOSTD_E_INVAL)")
    }
}
