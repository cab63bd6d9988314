// SPDX-License-Identifier: Apache-2.0
import Control
import Foundation
import QueueCore
import TestSupport
import Testing
import WorkerLink

@testable import Worker

@Suite struct WorkerTests {
    @Test("A configured worker loads its plugin, opens its sites, is ready and handles items")
    func works() async throws {
        let worker = try await RunningWorker()
        try await worker.start()
        #expect(try await worker.run(1, "config site.nickname").text == "status=0 value=alice generation=1")
        #expect(try await worker.run(2, "config site.nickname", site: "bob").text == "status=0 value=bob generation=1")
        try await worker.tell(.ping(7))
        let pong = try await worker.said.first("pong") { if case .pong = $0 { true } else { false } }
        guard case .pong(7, let vitals) = pong else { throw TestSupportError.cannotCreate("pong", reason: "\(pong)") }
        #expect(vitals.residentBytes > 1 << 20)
    }

    @Test("A site that can't be opened is refused and told, the other one works")
    func oneSiteFails() async throws {
        let worker = try await RunningWorker(bob: ["open": "refuse"])
        try await worker.start()
        #expect(try await worker.run(1, "done").code == .done)
        #expect(try await worker.run(2, "done", site: "bob").code == .giveBack)
        #expect(worker.broker.sites.all == ["refuse bob"])
        let told = try await worker.said.first("the site's state") { if case .siteState = $0 { true } else { false } }
        guard case .siteState(let site, let error) = told else { return }
        #expect(site.rawValue == "bob")
        #expect(error?.contains("told to refuse") == true)
    }

    @Test("A new configuration opens, changes and closes sites")
    func reconfigured() async throws {
        let worker = try await RunningWorker(bob: ["open": "refuse"])
        try await worker.start()
        var next = worker.configuration
        next.sites = [RunningWorker.site("bob", ["open": "yes"]), RunningWorker.site("carol")]
        try await worker.tell(.configure(.worker(next)))
        #expect(try await worker.run(1, "config open", site: "bob").text == "status=0 value=yes generation=1")
        #expect(try await worker.run(2, "done", site: "carol").code == .done)
        #expect(try await worker.run(3, "done", site: "alice").code == .giveBack)
        #expect(worker.broker.sites.all == ["refuse bob", "refuse alice", "accept bob"])
        _ = try await worker.said.first("bob is open") { $0 == .siteState(SiteName(unchecked: "bob"), error: nil) }
        next.sites = [RunningWorker.site("bob", ["open": "more"])]
        try await worker.tell(.configure(.worker(next)))
        #expect(try await worker.run(4, "config open", site: "bob").text == "status=0 value=more generation=2")
    }

    @Test("A site that is to be left shut is refused unopened, unless it is open; later it is opened")
    func shutSite() async throws {
        let worker = try await RunningWorker()
        let bob = SiteName(unchecked: "bob")
        var configuration = worker.configuration
        configuration.shutSites = [bob]
        try await worker.tell(.configure(.worker(configuration)))
        _ = try await worker.said.first("ready") { $0 == .ready }
        #expect(try await worker.run(1, "done").code == .done)
        #expect(try await worker.run(2, "done", site: "bob").code == .giveBack)
        #expect(worker.broker.sites.all == ["refuse bob"])
        configuration.shutSites = []
        try await worker.tell(.configure(.worker(configuration)))
        #expect(try await worker.run(3, "done", site: "bob").code == .done)
        configuration.shutSites = [bob]
        try await worker.tell(.configure(.worker(configuration)))
        #expect(try await worker.run(4, "done", site: "bob").code == .done)
    }

    @Test("A pong tells how deliveries ended, by queue")
    func tallies() async throws {
        let worker = try await RunningWorker(bob: ["open": "refuse"])
        try await worker.start()
        #expect(try await worker.run(1, "done").code == .done)
        #expect(try await worker.run(2, "config site.nickname").code == .discard)
        #expect(try await worker.run(3, "done", site: "bob").code == .giveBack)
        try await worker.tell(.ping(0))
        let pong = try await worker.said.first("pong") { if case .pong = $0 { true } else { false } }
        guard case .pong(0, let vitals) = pong else { throw TestSupportError.cannotCreate("pong", reason: "\(pong)") }
        #expect(vitals.outcomes == [QueueName(unchecked: "in"): OutcomeTally(done: 1, failed: 1)])
    }

    @Test("A change of some sites leaves the others alone; the same configuration again changes nothing")
    func sitesChange() async throws {
        let worker = try await RunningWorker()
        try await worker.start()
        try await worker.tell(.configure(.worker(worker.configuration)))
        #expect(try await worker.run(1, "config site.root").text == "status=0 value=http://alice.example/ generation=1")
        var alice = RunningWorker.site("alice")
        alice.root = "http://other.example/"
        let change = SitesChange(changed: [alice, RunningWorker.site("carol")], removed: [SiteName(unchecked: "bob")])
        try await worker.tell(.change(.worker(change)))
        #expect(try await worker.run(2, "config site.root").text == "status=0 value=http://other.example/ generation=2")
        #expect(try await worker.run(3, "done", site: "carol").code == .done)
        #expect(try await worker.run(4, "done", site: "bob").code == .giveBack)
        #expect(worker.broker.sites.all == ["refuse bob"])
        // Back again: as if it had never gone.
        try await worker.tell(.change(.worker(SitesChange(changed: [RunningWorker.site("bob")]))))
        #expect(try await worker.run(5, "done", site: "bob").code == .done)
        #expect(worker.broker.sites.all == ["refuse bob", "accept bob"])
    }

    @Test(
        "A plugin that can't change an open site gets it anew, once, with what is wanted by then; no other site moves"
    )
    func reopens() async throws {
        let worker = try await RunningWorker(macros: ["NO_RECONFIGURE": "1"])
        try await worker.start()
        try await worker.deliver(1, "timer 100", site: "bob")
        var bob = RunningWorker.site("bob")
        for root in ["http://b2.example/", "http://b3.example/"] {
            bob.root = root
            var next = worker.configuration
            next.sites = [RunningWorker.site("alice"), bob]
            try await worker.tell(.configure(.worker(next)))
        }
        #expect(try await worker.result(1).text == "fired")
        try await eventually("bob is open again") { worker.broker.sites.all.contains("accept bob") }
        #expect(
            try await worker.run(2, "config site.root", site: "bob").text
                == "status=0 value=http://b3.example/ generation=1"
        )
        #expect(try await worker.run(3, "config site.root").text == "status=0 value=http://alice.example/ generation=1")
        #expect(worker.broker.sites.all == ["refuse bob", "accept bob"])
        #expect(!worker.said.all.contains { if case .siteState = $0 { true } else { false } })
    }

    @Test("Settings that the plugin refuses are told, and told to be well again")
    func refusedSettings() async throws {
        let worker = try await RunningWorker()
        try await worker.start()
        let bob = SiteName(unchecked: "bob")
        for values in [["open": "refuse"], ["open": "yes"]] {
            try await worker.tell(.change(.worker(SitesChange(changed: [RunningWorker.site("bob", values)]))))
        }
        let states = worker.said.all.compactMap {
            if case .siteState(bob, let error) = $0 { error ?? "well" } else { nil }
        }
        #expect(states.count == 2)
        #expect(states.first?.contains("told to refuse") == true && states.last == "well")
        #expect(try await worker.run(1, "config open", site: "bob").text == "status=0 value=yes generation=2")
    }

    @Test("settle is answered once a site that drains is closed")
    func settles() async throws {
        let worker = try await RunningWorker()
        try await worker.start()
        try await worker.deliver(1, "timer 1000", site: "bob")
        try await worker.tell(.change(.worker(SitesChange(removed: [SiteName(unchecked: "bob")]))))
        try await worker.tell(.request(ControlRequest(id: 8, command: "settle")))
        let replies = { worker.said.all.contains { if case .reply(let reply) = $0 { reply.id == 8 } else { false } } }
        #expect(!replies())
        #expect(try await worker.result(1).text == "fired")
        try await eventually("the answer") { replies() }
    }

    @Test("A drain lets what is in flight end, closes all and exits 0")
    func drains() async throws {
        let worker = try await RunningWorker()
        try await worker.start()
        try await worker.deliver(1, "timer 50")
        try await worker.tell(.drain(timeoutMs: 10_000))
        #expect(try await worker.run(2, "done").code == .giveBack)
        #expect(try await worker.result(1).text == "fired")
        #expect(try await worker.exits.next() == 0)
        #expect(worker.said.all.last == .drained)
        #expect(worker.broker.sites.all == ["refuse "])
        #expect(worker.broker.ends.all == ["stopped"])
        let journals = try FileManager.default.contentsOfDirectory(atPath: worker.directory.file("journals"))
        #expect(journals.isEmpty)
    }

    @Test("A drain before the configuration just ends")
    func drainsAtOnce() async throws {
        let worker = try await RunningWorker()
        try await worker.tell(.drain(timeoutMs: 1000))
        #expect(try await worker.exits.next() == 0)
    }

    @Test("A missed deadline is told as overdue, the neighbours are given back, and the worker ends with 70")
    func overdue() async throws {
        let worker = try await RunningWorker()
        try await worker.start()
        try await worker.deliver(1, "never", timeoutMs: 100)
        try await worker.deliver(2, "never")
        #expect(try await worker.result(1).code == .overdue)
        let neighbour = try await worker.result(2)
        #expect(neighbour.code == .giveBack)
        #expect(neighbour.maybeDelivered)
        #expect(try await worker.exits.next() == 70)
    }

    @Test("A plugin that can't be loaded is a failure in one line, with exit status 1")
    func cannotLoad() async throws {
        let worker = try await RunningWorker()
        var wrong = worker.configuration
        wrong.pluginPath = worker.directory.file("missing.so")
        try await worker.tell(.configure(.worker(wrong)))
        #expect(try await worker.exits.next() == 1)
        let failed = try await worker.said.first("the failure") { if case .failed = $0 { true } else { false } }
        #expect("\(failed)".contains("missing.so") || "\(failed)".contains("open"))
    }

    @Test("The plugin's metrics are told on request, other commands are refused")
    func requests() async throws {
        let worker = try await RunningWorker()
        try await worker.start()
        _ = try await worker.run(1, "metric")
        try await worker.tell(.request(ControlRequest(id: 5, command: "metrics")))
        try await worker.tell(.request(ControlRequest(id: 6, command: "dance")))
        let replies = worker.said.all.compactMap { if case .reply(let reply) = $0 { reply } else { nil } }
        #expect(replies.map(\.id) == [5, 6])
        #expect(replies.first?.result?.array?.first?["value"]?.int == 2)
        #expect(replies.last?.error == "a worker has no command \"dance\"")
    }

    @Test("A changed breakout changes what the worker serves, without a new start")
    func serves() async throws {
        let worker = try await RunningWorker()
        try await worker.start()
        var next = worker.configuration
        next.queues = [QueueName(unchecked: "in"): .except([SiteName(unchecked: "bob")])]
        try await worker.tell(.configure(.worker(next)))
        #expect(worker.broker.sites.all == ["serve in \(SiteScope.except([SiteName(unchecked: "bob")]))"])
        try await worker.tell(.configure(.worker(next)))
        #expect(worker.broker.sites.all.count == 1)
        #expect(try await worker.run(1, "done").code == .done)
    }

    @Test("Past the soft limit before it has begun it claims nothing, says why and exits 75")
    func tooLarge() async throws {
        let worker = try await RunningWorker()
        var configuration = worker.configuration
        configuration.softLimitBytes = 1 << 20
        try await worker.tell(.configure(.worker(configuration)))
        #expect(try await worker.exits.next() == 75)
        let failed = try await worker.said.first("the failure") { if case .failed = $0 { true } else { false } }
        #expect("\(failed)".contains("past queue.softlimit (1 MiB)"))
        #expect(!worker.said.all.contains(.ready))
    }
}
