// SPDX-License-Identifier: Apache-2.0
import NIOCore
import PluginABI
import QueueCore
import Testing
import TestSupport
import WorkerLink

@testable import PluginHost

@Suite struct DeliveryTests {
    @Test("A handler sees all fields of its item")
    func fields() async throws {
        let plugin = try await HostedPlugin()
        let result = try await plugin.run("fields") { item, bytes in
            item.shared = bytes.appendSpan("common")
            item.lane = bytes.appendSpan("lane 1")
            item.dedupeKey = bytes.appendSpan("key")
            item.cursor = bytes.appendSpan("cursor")
            item.attempt = 3
            item.kills = 2
            item.flags = [.lastTry, .maybeDuplicate]
        }
        #expect(
            result.outcome.text
                == "queue=in shared=common lane=lane 1 key=key cursor=cursor attempt=3 kills=2 flags=6 left=1"
        )
        #expect(result.outcome.code == .discard)
    }

    @Test("Outcomes cross with all that belongs to them")
    func outcomes() async throws {
        let plugin = try await HostedPlugin()
        #expect(try await plugin.run("done").outcome == Outcome(.done))
        var next = Outcome(.continue)
        next.cursor = Array("next".utf8)
        #expect(try await plugin.run("continue").outcome == next)
        var retry = Outcome(.retry, reason: .remote, text: "retry")
        retry.maybeDelivered = true
        retry.delayMs = 5
        retry.holdMs = 7
        retry.holdLane = "its lane"
        #expect(try await plugin.run("retry") { $0.lane = $1.appendSpan("its lane") }.outcome == retry)
        var later = Outcome(.defer, reason: .network)
        later.maybeDelivered = true
        later.delayMs = 5
        #expect(try await plugin.run("defer").outcome == later)
    }

    @Test("What isn't one of the five is a retry that says so", arguments: ["bad-return", "mismatch"])
    func badReturn(command: String) async throws {
        let plugin = try await HostedPlugin()
        let outcome = try await plugin.run(command).outcome
        #expect(outcome.code == .retry)
        #expect(outcome.reason == .other)
        #expect(outcome.text.contains("handle() returned"))
    }

    @Test("complete() with an unknown code is told so, and is a retry")
    func badComplete() async throws {
        let plugin = try await HostedPlugin()
        #expect(try await plugin.run("bad-complete").outcome.code == .retry)
        #expect(try await plugin.report("complete=") == "complete=\(HOSTD_E_INVAL)")
    }

    @Test("The first complete() counts, the second is stale, both before handle() returns")
    func twice() async throws {
        let plugin = try await HostedPlugin()
        let outcome = try await plugin.run("twice").outcome
        #expect(outcome.code == .done)
        #expect(outcome.text == "first")
        #expect(try await plugin.report("second=") == "first=0 second=\(HOSTD_E_STALE)")
    }

    @Test("A plugin that completes and also returns an outcome is held to the first")
    func completedAndReturned() async throws {
        let plugin = try await HostedPlugin()
        let outcome = try await plugin.run("early-return").outcome
        #expect(outcome.code == .done)
        #expect(outcome.text == "completed")
        #expect(plugin.instance.inFlight == 0)
    }

    @Test("complete() may come from any thread, once")
    func fromThread() async throws {
        let plugin = try await HostedPlugin()
        #expect(try await plugin.run("later").outcome.text == "from a thread")
        #expect(try await plugin.report("second=") == "first=0 second=\(HOSTD_E_STALE)")
        let ids = try await plugin.send(Array(repeating: "later", count: 50))
        let results = try await plugin.sink.results.first(51, "outcomes")
        #expect(Set(results.map(\.id)).isSuperset(of: ids))
    }

    @Test("A token that was never given out is stale")
    func foreignToken() async throws {
        let plugin = try await HostedPlugin()
        #expect(try await plugin.run("foreign").outcome.code == .done)
        #expect(try await plugin.report("foreign=") == "foreign=\(HOSTD_E_STALE)")
    }

    @Test("Items of a queue or a site that isn't served here are given back, as are broken ones")
    func notServed() async throws {
        let plugin = try await HostedPlugin()
        #expect(
            try await plugin.run("done") { item, _ in item.queue = QueueName(unchecked: "other") }.outcome.code
                == .giveBack
        )
        #expect(
            try await plugin.run("done") { item, _ in item.site = SiteName(unchecked: "bob") }.outcome.code == .giveBack
        )
        let broken = try await plugin.run("done") { item, _ in item.shared = ByteSpan(offset: 1 << 30, count: 9) }
        #expect(broken.outcome.code == .giveBack)
    }

    @Test("The journal names what is inside, until its outcome is known")
    func journal() async throws {
        let plugin = try await HostedPlugin()
        let ids = try await plugin.send(["never", "never", "done"])
        _ = try await plugin.sink.results.first(1)
        let contents = try InFlightJournal.read(plugin.journal)
        #expect(contents == InFlightJournal.Contents(inside: nil, entered: Set(ids.prefix(2)), newest: ids[2]))
        // A lost link changes nothing of that.
        try await plugin.onLoop { #expect($0.dropWaiting() == Set(ids.prefix(2))) }
        #expect(try InFlightJournal.read(plugin.journal) == contents)
    }

    @Test("What was entered when a link is lost goes on, and its outcome is told")
    func interrupted() async throws {
        let plugin = try await HostedPlugin()
        let ids = try await plugin.send(["timer 500"])
        try await plugin.onLoop { #expect($0.dropWaiting() == Set(ids)) }
        try await plugin.onLoop { #expect($0.inFlight == 1) }
        #expect(try await plugin.sink.results.next(within: .seconds(20)).id == ids.first)
        #expect(plugin.instance.inFlight == 0)
    }

    @Test("A blocking handler of a parallel plugin runs beside others")
    func parallel() async throws {
        let plugin = try await HostedPlugin(macros: ["FLAGS": "HOSTD_PF_PARALLEL"])
        let ids = try await plugin.send(["block 100", "block 100", "block 100"])
        #expect(try await plugin.answer("name").hasPrefix("status=0"))
        let results = try await plugin.sink.results.first(4)
        #expect(results.first.map { !ids.contains($0.id) } == true)
        #expect(results.allSatisfy { ids.contains($0.id) ? $0.outcome.code == .done : true })
    }
}
