// SPDX-License-Identifier: Apache-2.0
import Foundation
import PluginFiles
import TestSupport

/// Runs probes for these tests, each on a thread of its own: the runner blocks, and Swift's pool has few threads.
///
/// The probe role is a program of its own here (Tests/ProbeTestTool), since these tests lie below hostd's main program.
enum ProbeTool {
    /// What the real role says of a file.
    static func verdict(on path: String, timeLimit: Duration = .seconds(20)) async throws -> ProbeRunner.Verdict {
        let tool = try ProcessRunner.product("ProbeTestTool")
        return try await run(ProbeRunner(executable: tool, arguments: ["hostd"], timeLimit: timeLimit), path)
    }

    /// What comes of a shell in the probe's place; the path becomes its `$0`.
    static func verdict(
        ofShell script: String,
        path: String = "/none",
        timeLimit: Duration = .seconds(20)
    ) async throws -> ProbeRunner.Verdict {
        try await run(ProbeRunner(executable: "/bin/sh", arguments: ["sh", "-c", script], timeLimit: timeLimit), path)
    }

    static func run(_ runner: ProbeRunner, _ path: String) async throws -> ProbeRunner.Verdict {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try runner.run(path: path) }) }
        }
    }
}
