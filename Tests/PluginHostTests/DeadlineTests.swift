// SPDX-License-Identifier: Apache-2.0
import QueueCore
import Testing
import TestSupport
import WorkerLink

@testable import PluginHost

@Suite struct DeadlineTests {
    @Test("A plugin is told before the deadline, and may end the delivery")
    func cancelled() async throws {
        let plugin = try await HostedPlugin()
        let result = try await plugin.run("cancellable") { item, _ in item.timeoutMs = 100 }
        #expect(result.outcome.code == .defer)
        #expect(try await plugin.report("cancelled") == "cancelled")
    }

    @Test("A delivery that isn't completed by its deadline is overdue, and the worker hears of it once")
    func overdue() async throws {
        let plugin = try await HostedPlugin()
        let worker = EventLog<String>()
        try await plugin.onLoop { $0.onOverdue = { worker.append("overdue") } }
        let ids = try await plugin.send(["never", "timer 60000"]) { item, _ in
            item.timeoutMs = item.id == 1 ? 80 : 60_000
        }
        let result = try await plugin.sink.results.next()
        #expect(result.id == ids[0])
        #expect(result.outcome.code == .overdue)
        _ = try await worker.next()
        try await plugin.onLoop { $0.giveBackAll("the worker ends") }
        let rest = try await plugin.sink.results.next()
        #expect(rest.id == ids[1])
        #expect(rest.outcome.code == .giveBack)
        #expect(worker.all.count == 1)
    }

    @Test("The handler's own timeout counts where the item names none")
    func handlerTimeout() async throws {
        let plugin = try await HostedPlugin()
        let result = try await plugin.run("cancellable") { item, _ in item.queue = QueueName(unchecked: "out") }
        #expect(result.outcome.code == .defer)
    }

    @Test("A call that blocks the loop past a deadline is seen by the watchdog, which names the item")
    func watchdog() async throws {
        let plugin = try await HostedPlugin()
        let ends = EventLog<String>()
        plugin.instance.startWatchdog { ends.append($0) }
        let ids = try await plugin.send(["block 600"]) { item, _ in item.timeoutMs = 100 }
        let line = try await ends.next()
        #expect(line.contains("handle() has not returned"))
        #expect(line.hasSuffix("site=alice queue=in item=\(ids[0] + 1000)"))
    }

    @Test("The broker may ask for a delivery's end")
    func cancelledByBroker() async throws {
        let plugin = try await HostedPlugin()
        let ids = try await plugin.send(["cancellable"])
        try await plugin.onLoop { $0.cancel(deliveries: ids + [4711]) }
        #expect(try await plugin.sink.results.next().outcome.code == .defer)
    }
}
