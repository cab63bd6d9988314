// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import QueueCore
import TestSupport
import Testing
import WorkerLink

@testable import Control
@testable import Supervisor

/// What a supervisor does about a changed executable, short of the exec itself, and what it does after one.
@Suite struct ReexecTests {
    /// A fleet whose executable has just been replaced by this script.
    private func fleet(_ script: String) throws -> Fleet {
        let old = try #require(ExecutableFile.Identity(path: "/proc/self/exe"))
        return try Fleet(changing: { directory, options in
            let path = try directory.write(script, to: "hostd", mode: 0o700)
            options.executable = ExecutableFile(path: path, identity: old)
            options.commandLine = ["hostd"]
        })
    }

    @Test("An executable that can't take over leaves everything as it is, and the answer says why")
    func refused() async throws {
        let fleet = try fleet("#!/bin/sh\necho 'hostd.yaml:1: no such key'; exit 1\n")
        try await fleet.waitForWorkers(2)
        let error = await fleet.ask("restart").error
        #expect(error?.contains("the old one goes on") == true)
        #expect(error?.contains("exit status 1: hostd.yaml:1: no such key") == true)
        #expect(await fleet.ask("plugins").result?.array?.first?["generation"]?.int == 1)
        #expect(fleet.lines("broker", "started").count == 1 && fleet.lines("omb-0", "started").count == 1)
        #expect(try await fleet.stop() == 0)
    }

    @Test("An exec that fails at the last moment is taken back: children and callers are heard again")
    func execFails() async throws {
        // It passes the trial, and can't be executed from then on.
        let fleet = try fleet("#!/bin/sh\nchmod 000 \"$0\"\necho 'hostd takes over: 9'\n")
        try await fleet.waitForWorkers(2)
        let client = try await ControlClient.connect(path: fleet.directory.file("var/control.sock"))
        await #expect(throws: ControlError.self) { try await client.request("restart") }
        // Over the same connection, from the same children.
        #expect(try await client.request("dead.list") == .string("broker"))
        #expect(await fleet.readyWorkers().count == 2)
        let victim = try #require(fleet.lines("omb-1", "started").first?.pid)
        #expect(kill(victim, SIGKILL) == 0)
        try await fleet.wait("omb-1", "ready", count: 2)
        await client.close()
        #expect(try await fleet.stop() == 0)
    }

    @Test("Where the workers' language has changed, the broker is replaced before the workers")
    func otherLanguage() async throws {
        let earlier = EarlierImage(linkVersion: Int(LinkHello.protocolVersion) + 1)
        let fleet = try Fleet(after: earlier.handover)
        try await eventually("the answer") { earlier.answer != nil }
        #expect(earlier.answer?.contains("omb is generation 4") == true)
        let journal = fleet.journal
        let brokerReady = try #require(
            journal.firstIndex { $0.name == "broker" && $0.what == "ready" && !earlier.pids.contains($0.pid) }
        )
        let workerStarts = try #require(
            journal.firstIndex { $0.name == "omb-0" && $0.what == "started" && !earlier.pids.contains($0.pid) }
        )
        #expect(brokerReady < workerStarts)
        #expect(try await fleet.stop() == 0)
    }

    @Test("A plugin whose file is gone goes on with the code that it has, in workers of the new version")
    func fileIsGone() async throws {
        let earlier = EarlierImage()
        let fleet = try Fleet(plugins: FakePlugins([:]), after: earlier.handover)
        try await eventually("the answer") { earlier.answer != nil }
        #expect(earlier.answer?.contains("omb is generation 4") == true)
        #expect(!(await fleet.processes()).contains { earlier.pids.contains(Int32($0["pid"]?.int ?? 0)) })
        #expect(try await fleet.stop() == 0)
    }

    @Test("After the exec: children are adopted, new workers are ready before old ones drain, the broker goes last")
    func takesOver() async throws {
        let earlier = EarlierImage()
        let fleet = try Fleet(after: earlier.handover)
        try await eventually("the new broker") { fleet.lines("broker", "ready").count == 2 }
        try await eventually("the answer to what was asked before the exec") { earlier.answer != nil }
        let answer = try #require(earlier.answer)
        #expect(answer.contains("\"id\":5") && answer.contains("hostd is \(HostVersion.current)"), "\(answer)")
        #expect(answer.contains("omb is generation 4"), "\(answer)")
        let processes = await fleet.processes()
        #expect(processes.allSatisfy { $0["host_version"]?.string == HostVersion.current })
        #expect(!processes.contains { earlier.pids.contains(Int32($0["pid"]?.int ?? 0)) })

        func first(_ name: String, _ what: String, by earlier: Bool, _ pids: Set<Int32>) -> Int? {
            fleet.journal.firstIndex { line in
                line.name == name && line.what.hasPrefix(what) && pids.contains(line.pid) == earlier
            }
        }
        let ready = try #require(first("omb-0", "ready", by: false, earlier.pids))
        let drained = try #require(first("omb-0", "draining", by: true, earlier.pids))
        let brokerDrains = try #require(first("broker", "draining", by: true, earlier.pids))
        // How soon an old worker gets to its drain is its own affair.
        #expect(ready < drained && ready < brokerDrains)
        let readyOther = try #require(first("omb-1", "ready", by: false, earlier.pids))
        #expect(readyOther < drained && readyOther < brokerDrains)
        #expect(try await fleet.stop() == 0)
    }
}

/// Children and sockets as an earlier image of the supervisor would have left them.
private final class EarlierImage: @unchecked Sendable {
    private let linkVersion: Int
    // Written by `handover`, which runs before anything reads.
    private(set) var pids: Set<Int32> = []
    private var caller: Int32 = -1
    private var text: [UInt8] = []

    init(linkVersion: Int = Int(LinkHello.protocolVersion)) { self.linkVersion = linkVersion }

    deinit { if caller >= 0 { close(caller) } }

    /// One line, once it has come.
    var answer: String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = recv(caller, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        if count > 0 { text += buffer[..<count] }
        return text.last == UInt8(ascii: "\n") ? String(decoding: text, as: UTF8.self) : nil
    }

    func handover(_ directory: TemporaryDirectory, _ program: ChildProcess.Program) throws -> Handover {
        let state = try StateDirectory.open(directory.file("var"))
        let omb = PluginName(unchecked: "omb")
        let slots: [SlotID] = [
            .broker, .worker(omb, generation: 3, index: 0), .worker(omb, generation: 3, index: 1),
        ]
        let children = try slots.map { slot in
            var arguments = ["--role", slot.role.rawValue]
            if let plugin = slot.plugin { arguments += ["--slot", "\(plugin)/\(slot.index)"] }
            let child = try ChildProcess.spawn(program, arguments: arguments, environment: ["PATH=/usr/bin:/bin"])
            pids.insert(child.pid)
            let line = "{\"configure\":{}}\n"
            #expect(write(child.descriptor, line, line.utf8.count) == line.utf8.count)
            var byte: UInt8 = 0
            // "ready": in the middle of the next line it is handed over.
            repeat { #expect(read(child.descriptor, &byte, 1) == 1) } while byte != UInt8(ascii: "\n")
            return Handover.Child(
                slot: slot,
                pid: child.pid,
                descriptor: child.descriptor,
                state: .ready,
                told: .object([:]),
                version: "0.0.1"
            )
        }
        var ends: [Int32] = [0, 0]
        #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
        caller = ends[0]
        let connection = HandedConnection(
            descriptor: ends[1],
            unanswered: [ControlRequest(id: 5, command: "restart")]
        )
        let code = LoadablePlugin(path: "/plugins/omb-1.0.so", descriptor: FakePlugins.descriptor())
        return Handover(
            pid: getpid(),
            version: "0.0.1",
            linkVersion: linkVersion,
            stateDirectory: state.path,
            lock: fcntl(state.lockDescriptor, F_DUPFD_CLOEXEC, 0),
            doors: try BrokerDoors.open(BrokerConfiguration(stateDirectory: state.path)),
            control: ControlServer.Handed(
                listener: try ListeningSocket.unix(state.path + "/control.sock"),
                connections: [connection]
            ),
            children: children,
            running: [omb: SpawnPlan.RunningPlugin(code: code, generation: 3)],
            askedMsAgo: 1000
        )
    }
}
