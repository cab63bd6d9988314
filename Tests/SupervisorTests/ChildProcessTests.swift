// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport
import Testing

@testable import Supervisor

@Suite struct ChildProcessTests {
    /// Runs a shell command as a child; returns what it wrote to its channel and how it ended.
    private func run(
        _ command: String,
        environment: [String] = ["PATH=/usr/bin:/bin"],
        inherited: [Int32] = [],
        hearsOutput: Bool = false
    ) async throws -> (output: String, cause: EndCause) {
        let program = ChildProcess.Program(path: "/bin/sh", arguments: ["sh", "-c"])
        let child = try ChildProcess.spawn(
            program,
            arguments: [command],
            environment: environment,
            inherited: inherited,
            hearsOutput: hearsOutput
        )
        defer { close(child.descriptor) }
        var cause: EndCause?
        try await eventually("the child's end") {
            cause = child.reap()
            return cause != nil
        }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(child.descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        return (String(decoding: buffer.prefix(max(0, count)), as: UTF8.self), try #require(cause))
    }

    private static func leftOpen() -> Set<Int> {
        Set(
            (4..<1024).filter { descriptor in
                let flags = fcntl(Int32(descriptor), F_GETFD)
                return flags >= 0 && flags & FD_CLOEXEC == 0
            }
        )
    }

    @Test("A child has its channel, the standard descriptors and nothing else of ours")
    func descriptors() async throws {
        // Other tests of this process, and what ran it, leave descriptors open over exec: those aren't ours. One may be
        // closed by the time that the child has ended.
        var foreign = Self.leftOpen()
        let (output, cause) = try await run("cd /proc/self/fd && echo * >&3; readlink 0 >&3")
        foreign.formUnion(Self.leftOpen())
        #expect(cause == .exited(status: 0))
        let lines = output.split(separator: "\n")
        // The shell's own `*` opens the folder as one more.
        let open = Set(lines.first?.split(separator: " ").compactMap { Int($0) } ?? [])
        #expect(open.isSuperset(of: [0, 1, 2, 3]), "\(output)")
        #expect(open.subtracting(foreign).count <= 5, "\(output)")
        #expect(lines.last == "/dev/null")
    }

    @Test("What it inherits is its descriptors 4, 5, ..., in that order, whatever numbers they have here")
    func inherited() async throws {
        let directory = try TemporaryDirectory()
        let names = ["lock", "one", "two"]
        let opened = names.map { open(directory.file($0), O_CREAT | O_RDWR | O_CLOEXEC, 0o600) }
        defer { for descriptor in opened { close(descriptor) } }
        let command = "for n in 4 5 6; do readlink /proc/self/fd/$n >&3; done"
        let (output, _) = try await run(command, inherited: opened)
        #expect(output.split(separator: "\n").map(String.init) == names.map(directory.file))
        let (reversed, _) = try await run(command, inherited: opened.reversed())
        #expect(reversed.split(separator: "\n").map(String.init) == names.reversed().map(directory.file))
    }

    @Test("What it prints comes over the channel where that is asked for")
    func output() async throws {
        let (output, cause) = try await run("echo out; echo err >&2; exit 3", hearsOutput: true)
        #expect(output == "out\nerr\n")
        #expect(cause == .exited(status: 3))
    }

    @Test("It is in a process group of its own, with no signal blocked or ignored")
    func signals() async throws {
        let fields = "ps -o pid=,pgid= -p $$ >&3; grep -E 'Sig(Blk|Ign)' /proc/self/status >&3"
        let (output, _) = try await run(fields)
        let lines = output.split(separator: "\n")
        let ids = try #require(lines.first).split(separator: " ")
        #expect(ids.count == 2 && ids[0] == ids[1], "\(output)")
        #expect(output.contains("SigBlk:\t0000000000000000"))
        // 32 and 33 are glibc's own (bits 31 and 32): it doesn't let anybody change them.
        let ignored = lines.last.flatMap { UInt64($0.split(separator: "\t").last ?? "", radix: 16) }
        #expect(ignored.map { $0 & ~0x1_8000_0000 } == 0, "\(output)")
    }

    @Test("How it ended is told from its wait status")
    func causes() async throws {
        #expect(try await run("exit 7").cause == .exited(status: 7))
        #expect(try await run("kill -ABRT $$").cause == .killed(signal: SIGABRT))
    }

    @Test("A kill ends also what the child started")
    func killsGroup() async throws {
        let program = ChildProcess.Program(path: "/bin/sh", arguments: ["sh", "-c"])
        let child = try ChildProcess.spawn(
            program,
            arguments: ["sleep 1000 & echo $! >&3; wait"],
            environment: ["PATH=/usr/bin:/bin"]
        )
        defer { close(child.descriptor) }
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = recv(child.descriptor, &buffer, buffer.count, 0)
        let text = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
        let grandchild = try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)))
        child.kill()
        try await eventually("the child's end") { child.reap() != nil }
        try await eventually("its child's end") {
            let status = try? String(contentsOfFile: "/proc/\(grandchild)/status", encoding: .utf8)
            return status?.contains("State:\tZ") ?? true
        }
    }

    @Test("A program that isn't there is an error with its reason")
    func missing() {
        let program = ChildProcess.Program(path: "/nonexistent/hostd", arguments: ["hostd"])
        #expect(throws: SupervisorError.spawn("--role broker", reason: "No such file or directory")) {
            try ChildProcess.spawn(program, arguments: ["--role", "broker"], environment: [])
        }
    }

    @Test("No child sees systemd's addresses, no worker another's libraries")
    func environment() {
        let all = ["PATH=/bin", "NOTIFY_SOCKET=/run/x", "WATCHDOG_USEC=1", "LISTEN_FDS=1", "LD_PRELOAD=/evil.so"]
        #expect(ChildProcess.environment(of: .worker, from: all) == ["PATH=/bin"])
        #expect(ChildProcess.environment(of: .broker, from: all) == ["PATH=/bin", "LD_PRELOAD=/evil.so"])
    }
}
