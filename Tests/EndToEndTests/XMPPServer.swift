// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport

/// prosody or ejabberd on free ports of loopback, started unprivileged; and contacts by slixmpp that log in there.
///
/// The fixture kills the server when this process, or the value, goes away.
final class XMPPServer: Sendable {
    enum Kind: String, Sendable, CaseIterable {
        case prosody
        case ejabberd
    }

    enum Mode: String, Sendable, CaseIterable {
        case component
        case client
    }

    private let runner: ProcessRunner
    private let directory: TemporaryDirectory
    let clientPort: Int
    let componentPort: Int

    private init(_ runner: ProcessRunner, _ directory: TemporaryDirectory, _ clientPort: Int, _ componentPort: Int) {
        self.runner = runner
        self.directory = directory
        self.clientPort = clientPort
        self.componentPort = componentPort
    }

    static func start(_ kind: Kind, users: Int) async throws -> XMPPServer {
        let directory = try TemporaryDirectory()
        // The server's own account has to get through.
        try FileManager.default.setAttributes([.posixPermissions: 0o711], ofItemAtPath: directory.path)
        let ports = try (0..<3).map { _ in try freePort() }
        let runner = try PythonFixture.start(
            "xmpp_server.py",
            [kind.rawValue, directory.file("server")] + ports.map { "\($0)" } + ["\(users)"]
        )
        let server = XMPPServer(runner, directory, ports[0], ports[1])
        _ = try await runner.line(containing: "ready", within: .seconds(90))
        return server
    }

    /// Kills the server, and starts it again at once.
    func killAndStart() async throws { try await command("kill", "start") }

    /// Until `start`, connections are refused.
    func kill() async throws { try await command("kill") }

    func start() async throws { try await command("start") }

    /// Until `thaw`, it keeps connections, lets the kernel take new ones, and says nothing.
    func freeze() async throws { try await command("freeze") }

    func thaw() async throws { try await command("thaw") }

    /// The fixture says a word for each when it is done.
    private func command(_ words: String...) async throws {
        let before = runner.output.all.count
        try runner.write(words.map { $0 + "\n" }.joined())
        try await eventually("the server: \(words)", within: .seconds(90), every: .milliseconds(20)) {
            runner.output.all.count >= before + words.count
        }
    }

    /// The section of a site's file.
    func settings(_ mode: Mode) -> String {
        switch mode {
        case .component:
            "{ enabled: true, mode: component, domain: queue.example.test, port: \(componentPort), secret: s3cret }"
        case .client:
            "{ enabled: true, mode: client, domain: example.test, host: 127.0.0.1, port: \(clientPort), user: bot, "
                + "password: pw }"
        }
    }

    /// A port that is free now: neither server can be asked which one it took.
    private static func freePort() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 ? getsockname(descriptor, $0, &length) : -1
            }
        }
        guard descriptor >= 0, status == 0 else {
            throw TestSupportError.cannotCreate("a free port", reason: String(cString: strerror(errno)))
        }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}

/// What slixmpp's contacts have got.
final class XMPPContacts: Sendable {
    struct Message: Sendable, Equatable {
        let contact: String
        let from: String
        let body: String
    }

    private let runner: ProcessRunner

    init(_ server: XMPPServer, count: Int) async throws {
        runner = try PythonFixture.start("xmpp_contacts.py", ["\(server.clientPort)", "\(count)"])
        _ = try await runner.line(containing: "ready", within: .seconds(60))
    }

    /// Messages, with repeats; cheaper than looking at them.
    var count: Int { runner.output.all.count - 1 }

    var messages: [Message] {
        runner.output.all.compactMap { line in
            let words = line.split(separator: " ", maxSplits: 2)
            guard words.count == 3, let body = try? JSON.parse(String(words[2])).text else { return nil }
            return Message(contact: String(words[0]), from: String(words[1]), body: body)
        }
    }

    func send(_ body: String, from contact: String, to address: String) throws {
        try runner.write("\(contact) \(address) \(body)\n")
    }
}
