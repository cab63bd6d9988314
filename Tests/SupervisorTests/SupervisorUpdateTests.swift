// SPDX-License-Identifier: Apache-2.0
import Control
import Foundation
import TestSupport
import Testing

@testable import Supervisor

/// Live configuration: what is taken of it, site by site, and what is told of it.
@Suite struct SupervisorUpdateTests {
    @Test("A wrong file of one site holds back no other; hostd.yaml is taken with them")
    func oneWrongFile() async throws {
        let fleet = try Fleet(sites: [
            "alice": Fleet.site, "bob": Fleet.site.replacingOccurrences(of: "alice", with: "bob"),
        ])
        try await fleet.waitForWorkers(2)
        let wrong = try fleet.directory.write(
            "server: alice.example\nplugins: { omb: { a: 1 } }\n",
            to: "sites.d/alice.yaml"
        )
        try fleet.directory.write("server: other.example\nplugins: { omb: {} }\n", to: "sites.d/bob.yaml")
        let new = try fleet.directory.write("server: [\n", to: "sites.d/carol.yaml")
        try fleet.directory.write(
            Fleet.config.replacingOccurrences(of: "drain_timeout: 20s", with: "drain_timeout: 20s, max_retries: 3"),
            to: "hostd.yaml"
        )
        let error = try #require(await fleet.ask("update").error)
        #expect(error.contains("sites.d/") && error.contains("(and 1 more error"), "\(error)")
        let sites = await fleet.ask("sites").result?.array ?? []
        #expect(sites.map { $0["nickname"]?.string } == ["alice", "bob", "carol"])
        #expect(sites.map { $0["server"]?.string } == ["alice.example", "other.example", nil])
        #expect(sites.map { $0["state"]?.string } == ["error", "open", "error"])
        #expect(sites[0]["error"]?.string?.hasPrefix("\(wrong):2: plugins.omb.a: unknown key") == true)
        #expect(sites[2]["error"]?.string?.hasPrefix("\(new):") == true)
        let told = try #require(fleet.lines("broker", "configured").last?.what)
        #expect(told.contains("\"maxRetries\":3") && told.contains("other.example") && told.contains("alice.example"))
        // Of the worker only bob's change is told.
        let change = try #require(fleet.lines("omb-0", "configured").last?.what)
        #expect(change.hasPrefix("configured {\"change\"") && !change.contains("alice.example"))
        #expect(try await fleet.stop() == 0)
    }

    @Test("An update of one site leaves the changes of all other files where they are")
    func oneSite() async throws {
        let fleet = try Fleet(sites: [
            "alice": Fleet.site, "bob": Fleet.site.replacingOccurrences(of: "alice", with: "bob"),
        ])
        try await fleet.waitForWorkers(2)
        try fleet.directory.write("server: [\n", to: "sites.d/alice.yaml")
        try fleet.directory.write("server: other.example\nplugins: { omb: {} }\n", to: "sites.d/bob.yaml")
        try fleet.directory.write("nonsense: 1\n", to: "hostd.yaml")
        let text = try #require(await fleet.ask("update", ["site": .string("bob.example")]).result?["text"]?.string)
        #expect(text.hasPrefix("update bob.example: 1 plugin, 2 queues, "), "\(text)")
        let sites = await fleet.ask("sites").result?.array ?? []
        #expect(sites.map { $0["server"]?.string } == ["alice.example", "other.example"])
        #expect(sites.map { $0["state"]?.string } == ["open", "open"])
        #expect(try await fleet.stop() == 0)
    }

    @Test("A wrong hostd.yaml stays out of force, the sites' changes are taken; keys that need a restart are listed")
    func hostConfiguration() async throws {
        let fleet = try Fleet()
        try await fleet.waitForWorkers(2)
        let other = Fleet.site.replacingOccurrences(of: "alice.example", with: "other.example")
        try fleet.directory.write(other, to: "sites.d/alice.yaml")
        let file = try fleet.directory.write("queue: { max_retrys: 3 }\n", to: "hostd.yaml")
        let error = try #require(await fleet.ask("update").error)
        #expect(error.hasPrefix("\(file):1: queue.max_retrys: unknown key"))
        #expect(await fleet.ask("sites").result?.array?.first?["server"]?.string == "other.example")
        try fleet.directory.write(
            Fleet.config.replacingOccurrences(of: "count: 2", with: "count: 3")
                + "\nstomp: { reconnect: 3s }\nsites_dir: elsewhere\n",
            to: "hostd.yaml"
        )
        for _ in 0..<2 {
            let reply = try #require(await fleet.ask("update").result)
            #expect(
                reply["text"]?.string?.hasSuffix("; waiting for a restart of hostd: sites_dir, stomp.reconnect") == true
            )
            #expect(reply["waiting_for_restart"]?.array == [.string("sites_dir"), .string("stomp.reconnect")])
        }
        // It answered when the third worker worked.
        #expect(await fleet.readyWorkers().count == 3)
        let hostd = await fleet.ask("status").result?["hostd"]
        #expect(hostd?["waiting_for_restart"]?.array?.count == 2)
        #expect(try await fleet.stop() == 0)
    }

    @Test("A flood of updates of made-up sites is held, and ends")
    func flood() async throws {
        let fleet = try Fleet()
        try await fleet.waitForWorkers(2)
        await withTaskGroup(of: ControlReply.self) { group in
            group.addTask { await fleet.ask("restart") }
            for number in 0..<3000 {
                group.addTask { await fleet.ask("update", ["site": .string("nobody\(number)")]) }
            }
            for await reply in group { #expect(reply.result != nil || reply.error?.isEmpty == false) }
        }
        #expect(await fleet.ask("update", ["site": .string("alice")]).result != nil)
        #expect(try await fleet.stop() == 0)
    }

    @Test("An update that nobody waits for is answered at once")
    func noWait() async throws {
        let fleet = try Fleet()
        try await fleet.waitForWorkers(2)
        let reply = await fleet.ask("update", ["wait": .bool(false)])
        #expect(reply.result?["text"]?.string == "update: asked for")
        #expect(try await fleet.stop() == 0)
    }
}
