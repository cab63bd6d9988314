// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A child process of a test, killed when the value goes away.
///
/// Its output comes by lines, its end is waited for with a time limit. Only ever signals the pid that it
/// started, and only while that pid is still its own (not yet reaped).
package final class ProcessRunner: Sendable {
    /// How the process ended: the exit status, or the signal that ended it.
    package enum Exit: Sendable, Equatable {
        case status(Int32)
        case signal(Int32)
    }

    /// Whole lines without their end, as they come.
    package let output = EventLog<String>()
    package let errors = EventLog<String>()
    package let pid: Int32

    private let process: Process
    private let input: FileHandle
    private let exits = EventLog<Exit>()

    /// Starts `executable`, which is a path, or a name that is looked up on PATH.
    ///
    /// `environment` is added to this process's own.
    package init(
        _ executable: String,
        _ arguments: [String] = [],
        environment: [String: String] = [:],
        directory: String? = nil
    ) throws {
        let process = Process()
        let isPath = executable.contains("/")
        process.executableURL = URL(filePath: isPath ? executable : "/usr/bin/env")
        process.arguments = isPath ? arguments : [executable] + arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
        if let directory { process.currentDirectoryURL = URL(filePath: directory) }
        let (standardInput, standardOutput, standardError) = (Pipe(), Pipe(), Pipe())
        // A child that another test starts now must not hold these open: this one would never see the end of its input.
        for pipe in [standardInput, standardOutput, standardError] {
            for handle in [pipe.fileHandleForReading, pipe.fileHandleForWriting] {
                _ = fcntl(handle.fileDescriptor, F_SETFD, FD_CLOEXEC)
            }
        }
        process.standardInput = standardInput
        process.standardOutput = standardOutput
        process.standardError = standardError
        process.terminationHandler = { [exits] process in
            exits.append(
                process.terminationReason == .exit
                    ? .status(process.terminationStatus) : .signal(process.terminationStatus)
            )
            exits.finish()
        }
        try process.run()
        Self.collectLines(of: standardOutput.fileHandleForReading, in: output)
        Self.collectLines(of: standardError.fileHandleForReading, in: errors)
        self.process = process
        input = standardInput.fileHandleForWriting
        pid = process.processIdentifier
    }

    deinit {
        signal(SIGKILL)
        try? input.close()
    }

    package var isRunning: Bool { !exits.isFinished }

    /// Sends a signal, if the process still runs.
    package func signal(_ number: Int32) {
        if process.isRunning { kill(pid, number) }
    }

    package func write(_ text: String) throws { try input.write(contentsOf: Data(text.utf8)) }

    package func closeInput() throws { try input.close() }

    /// The first line of standard output (or error) that contains `text`.
    package func line(
        containing text: String,
        of log: EventLog<String>? = nil,
        within limit: Duration = .seconds(30)
    ) async throws -> String {
        try await (log ?? output).first(within: limit, "a line with '\(text)'") { $0.contains(text) }
    }

    /// Waits for the end; a process that is still there after `limit` is killed, and that is an error.
    @discardableResult
    package func exit(within limit: Duration = .seconds(30)) async throws -> Exit {
        do {
            return try await exits.first(within: limit, "the end of process \(pid)") { _ in true }
        } catch {
            signal(SIGKILL)
            throw error
        }
    }

    /// Runs a command to its end and returns its output; input is empty unless given.
    package static func run(
        _ executable: String,
        _ arguments: [String] = [],
        input: String = "",
        environment: [String: String] = [:],
        directory: String? = nil,
        within limit: Duration = .seconds(60)
    ) async throws -> (exit: Exit, output: String, errors: String) {
        let runner = try ProcessRunner(executable, arguments, environment: environment, directory: directory)
        if !input.isEmpty { try runner.write(input) }
        try runner.closeInput()
        let exit = try await runner.exit(within: limit)
        try await runner.output.finished(within: limit)
        try await runner.errors.finished(within: limit)
        return (exit, runner.output.all.joined(separator: "\n"), runner.errors.all.joined(separator: "\n"))
    }

    /// The path of one of this package's products, built beside the running test.
    package static func product(_ name: String) throws -> String {
        let executable = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let beside = URL(filePath: executable).deletingLastPathComponent().appending(path: name).path
        guard FileManager.default.fileExists(atPath: beside) else {
            throw TestSupportError.cannotCreate("a process of \(name)", reason: "it isn't built beside the tests")
        }
        return beside
    }

    /// Reads to the end on a thread of its own, with read(2).
    ///
    /// Foundation's readability handler was seen to miss the end, its `read(upToCount:)` waits for the whole count, and
    /// its `availableData` ends this process when a signal interrupts it.
    private static func collectLines(of handle: FileHandle, in log: EventLog<String>) {
        Thread.detachNewThread {
            var chunk = [UInt8](repeating: 0, count: 64 << 10)
            var line: [UInt8] = []
            while true {
                let count = read(handle.fileDescriptor, &chunk, chunk.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { break }
                for byte in chunk[..<count] {
                    if byte == UInt8(ascii: "\n") {
                        log.append(String(decoding: line, as: UTF8.self))
                        line.removeAll(keepingCapacity: true)
                    } else {
                        line.append(byte)
                    }
                }
            }
            if !line.isEmpty { log.append(String(decoding: line, as: UTF8.self)) }
            log.finish()
        }
    }
}
