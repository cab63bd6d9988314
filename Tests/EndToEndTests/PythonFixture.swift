// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// Programs of Tests/Fixtures that are written in Python.
enum PythonFixture {
    /// Debian's, which has stomp.py, oauthlib and slixmpp from its packages.
    static let interpreter = "/usr/bin/python3"

    static func path(_ name: String) -> String { "\(CPlugin.root)/Tests/Fixtures/\(name)" }

    static func start(_ name: String, _ arguments: [String] = []) throws -> ProcessRunner {
        try ProcessRunner(interpreter, [path(name)] + arguments)
    }
}

/// Takes OMB's posts at many targets, and says of each whether oauthlib finds its signature right.
struct OAuthlibReceiver {
    let process: ProcessRunner
    let targets: Int
    private let port: Int

    init(targets: Int) async throws {
        process = try PythonFixture.start("oauthlib_receiver.py")
        self.targets = targets
        let line = try await process.line(containing: "listening on ")
        port = try #require(line.split(separator: " ").last.flatMap { Int($0) })
    }

    /// Its targets become subscribers of the author of `Installation.notice`.
    func subscribe(in installation: Installation) async throws {
        let recipients = (1...targets).map { number in
            """
            {"plugin": "omb", "author": "http://demo.example/user/1", \
            "target": "http://127.0.0.1:\(port)/omb/\(number)/postnotice", \
            "credentials": {"token": "t\(number)", "secret": "s\(number)"}}

            """
        }
        let file = try installation.directory.write(recipients.joined(), to: "oauthlib.jsonl")
        try await installation.queuectl("recipients", "import", "-s", Installation.site, "omb", file)
    }

    /// One for each target, once all have come.
    func verdicts() async throws -> [JSON] {
        try await process.output.first(targets + 1, "lines of the receiver").dropFirst().map { try JSON.parse($0) }
    }
}
