// SPDX-License-Identifier: Apache-2.0
import Control
import Foundation
import Glibc
import QueueCore
import TestSupport
import Testing

@testable import Supervisor

@Suite struct SupervisorTests {
    @Test("Workers begin when the broker is ready; a stop drains them first and exits 0")
    func startAndStop() async throws {
        let fleet = try Fleet()
        try await fleet.waitForWorkers(2)
        let brokerReady = try #require(fleet.position(of: "broker", "ready"))
        for worker in ["omb-0", "omb-1"] {
            #expect(try #require(fleet.position(of: worker, "configured")) > brokerReady)
        }
        #expect(try await fleet.stop() == 0)
        let brokerDrains = try #require(fleet.position(of: "broker", "draining"))
        for worker in ["omb-0", "omb-1"] {
            #expect(try #require(fleet.position(of: worker, "drained")) < brokerDrains)
        }
        #expect(fleet.lines("broker", "started").count == 1)
        #expect(access(fleet.directory.file("var/control.sock"), F_OK) != 0)
    }

    @Test("A worker that dies is replaced, and the broker hears which and why")
    func respawn() async throws {
        let fleet = try Fleet()
        try await fleet.waitForWorkers(2)
        let victim = try #require(fleet.lines("omb-1", "started").first?.pid)
        #expect(kill(victim, SIGKILL) == 0)
        try await fleet.wait("omb-1", "ready", count: 2)
        let told = try await fleet.wait("broker", "told")
        #expect(told.count == 1)
        #expect(told.first?.what.contains("\"pid\":\(victim)") == true)
        #expect(told.first?.what.contains("signal 9 (Killed)") == true)
        #expect(fleet.lines("omb-0", "started").count == 1)
        let metrics = await fleet.ask("metrics").result?.array ?? []
        let deaths = metrics.first { $0["name"]?.string == "hostd_worker_deaths_total" }
        #expect(deaths?["labels"]?["cause"]?.string == "kill")
        #expect(deaths?["value"]?.int == 1)
        #expect(try await fleet.stop() == 0)
    }

    @Test(
        "A worker that dies at each start is started again and again, later each time, and doesn't keep hostd from a stop"
    )
    func crashLoop() async throws {
        let fleet = try Fleet(modes: ["omb-0": "crash", "omb-1": "exit"])
        try await fleet.wait("omb-0", "started", count: 3)
        try await fleet.wait("omb-1", "started", count: 3)
        let told = try await fleet.wait("broker", "told", count: 4)
        #expect(told.contains { $0.what.contains("signal 11 (Segmentation fault)") })
        #expect(told.contains { $0.what.contains("exit status 3") })
        #expect(try await fleet.stop() == 0)
    }

    @Test("A broker that dies is replaced; the workers stay")
    func brokerDeath() async throws {
        let fleet = try Fleet()
        try await fleet.waitForWorkers(2)
        #expect(kill(try #require(fleet.lines("broker", "started").first?.pid), SIGKILL) == 0)
        try await fleet.wait("broker", "ready", count: 2)
        #expect(await fleet.readyWorkers().count == 2)
        #expect(fleet.lines("omb-0", "started").count == 1 && fleet.lines("omb-1", "started").count == 1)
        #expect(try await fleet.stop() == 0)
    }

    @Test("A broker that says at its start why it can't work ends hostd with status 1; nothing else has begun")
    func brokerFails() async throws {
        let fleet = try Fleet(modes: ["broker": "fail"])
        #expect(try await fleet.end() == 1)
        #expect(!fleet.journal.contains { $0.name != "broker" && $0.what != "started" })
        #expect(fleet.lines("broker", "started").count == 1)
    }

    @Test("A wrong plugin key ends the start with status 1, before the broker was told anything")
    func configurationError() async throws {
        let fleet = try Fleet(sites: ["alice": "server: alice.example\nplugins:\n  omb: { colour: red }\n"])
        #expect(try await fleet.end() == 1)
        #expect(fleet.lines("broker", "configured").isEmpty)
    }

    @Test("A second request to stop kills what doesn't drain")
    func hurry() async throws {
        let fleet = try Fleet(modes: ["worker": "stubborn"])
        try await fleet.waitForWorkers(2)
        fleet.inbox.put(.signal(SIGTERM))
        try await fleet.wait("omb-0", "draining")
        try await fleet.wait("omb-1", "draining")
        #expect(try await fleet.stop() == 0)
    }

    @Test("A drain that takes longer than drain_timeout is ended")
    func drainTimeout() async throws {
        let config = Fleet.config.replacingOccurrences(of: "drain_timeout: 20s", with: "drain_timeout: 10ms")
        let fleet = try Fleet(config: config, modes: ["omb-0": "stubborn"])
        try await fleet.waitForWorkers(2)
        #expect(try await fleet.stop() == 0)
        #expect(!fleet.lines("omb-0", "draining").isEmpty && !fleet.lines("omb-1", "drained").isEmpty)
        let told = fleet.lines("broker", "told").map(\.what)
        #expect(told.contains { $0.contains("not drained within 10ms, so the supervisor ended it") })
    }

    @Test("A child that answers no ping is ended and replaced, one that answers is left alone")
    func heartbeat() async throws {
        let fleet = try Fleet(modes: ["omb-0": "mute"])
        try await fleet.wait("omb-0", "mute")
        try await fleet.wait("omb-1", "ready")
        try fleet.setMode("", of: "omb-0")
        for _ in 0...Heartbeat.limit {
            fleet.inbox.put(.beat)
            // In the order of the inbox the answers come after the beats: the next one waits for them.
            let beats = await fleet.processes().filter { $0["in_flight"]?.int == 7 }.count
            try await eventually("the others' pongs") {
                await fleet.processes().filter { $0["in_flight"]?.int == 7 }.count >= max(beats, 2)
            }
        }
        try await fleet.wait("omb-0", "ready")
        let told = try await fleet.wait("broker", "told").map(\.what)
        #expect(told.count == 1 && told.contains { $0.contains("silent for 30 s, so the supervisor ended it") })
        #expect(fleet.lines("omb-1", "started").count == 1 && fleet.lines("broker", "started").count == 1)
        #expect(try await fleet.stop() == 0)
    }

    @Test("While the broker of an earlier hostd still has the store, no second one is started")
    func oldBroker() async throws {
        let directory = try TemporaryDirectory()
        #expect(mkdir(directory.file("var"), 0o700) == 0)
        // Held by a process that is none of ours: as an orphan would.
        let holder = try ProcessRunner(
            "flock",
            [directory.file("var/broker.lock"), "-c", "echo held; cat"],
            directory: directory.path
        )
        _ = try await holder.line(containing: "held")
        let fleet = try Fleet(
            config: Fleet.config.replacingOccurrences(
                of: "state_dir: var",
                with: "state_dir: \(directory.file("var"))"
            )
        )
        try await eventually("the control socket answers") { await fleet.ask("ping").result != nil }
        #expect(fleet.lines("broker", "started").isEmpty)
        #expect(await fleet.ask("queues").error?.contains("the broker isn't running") == true)
        try holder.closeInput()
        try await fleet.waitForWorkers(2)
        #expect(try await fleet.stop() == 0)
    }

    @Test("A supervisor that is gone leaves its children an EOF")
    func supervisorLost() async throws {
        let directory = try TemporaryDirectory()
        let program = try FakeChild.program(in: directory)
        let child = try ChildProcess.spawn(program, arguments: ["--role", "worker"], environment: [])
        close(child.descriptor)
        try await eventually("the child's end") { child.reap() == .exited(status: 0) }
        let journal = try String(contentsOfFile: directory.file("journal"), encoding: .utf8)
        #expect(journal.hasSuffix("lost\n"))
    }
}
