// SPDX-License-Identifier: Apache-2.0
import Control
import NIOPosix
import TestSupport

/// A state directory with a control socket on which a test answers, and queuectl to be run against it.
struct FakeHostd {
    let directory: TemporaryDirectory
    let requests = EventLog<ControlRequest>()
    private let server: ControlServer

    init(answer: @escaping @Sendable (ControlRequest) -> Result<JSONValue, Refusal>) async throws {
        directory = try FakeHostd.stateDirectory()
        server = try await ControlServer.start(
            path: directory.file("control.sock"),
            on: MultiThreadedEventLoopGroup.singleton
        ) { [requests] request in
            requests.append(request)
            return switch answer(request) {
            case .success(let value): ControlReply(id: request.id, result: value)
            case .failure(let refusal): ControlReply(id: request.id, error: refusal.line)
            }
        }
    }

    struct Refusal: Error {
        let line: String
    }

    static func stateDirectory() throws -> TemporaryDirectory {
        let directory = try TemporaryDirectory()
        // Nothing else may answer: no TCP.
        try directory.write("state_dir: .\nqueue: { listen: \"\" }\n", to: "hostd.yaml")
        return directory
    }

    func queuectl(_ arguments: String...) async throws -> Run {
        try await Self.queuectl(in: directory, arguments)
    }

    func stop() async { await server.stop() }

    struct Run {
        let status: Int32
        let output: String
        let errors: String
    }

    /// Runs the built program to its end.
    static func queuectl(
        in directory: TemporaryDirectory,
        _ arguments: [String],
        input: String = ""
    ) async throws -> Run {
        let run = try await ProcessRunner.run(
            try ProcessRunner.product("queuectl"),
            ["--config", directory.file("hostd.yaml")] + arguments,
            input: input
        )
        guard case .status(let status) = run.exit else {
            return Run(status: -1, output: run.output, errors: "ended by a signal: \(run.exit) \(run.errors)")
        }
        return Run(status: status, output: run.output, errors: run.errors)
    }
}
