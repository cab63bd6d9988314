// SPDX-License-Identifier: Apache-2.0
import Foundation
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

    /// `certificate`: That clients get by STARTTLS; without one there is no TLS.
    static func start(
        _ kind: Kind,
        users: Int,
        certificate: CertificateFiles.Pair? = nil
    ) async throws -> XMPPServer {
        let directory = try TemporaryDirectory()
        // The server's own account has to get through.
        try FileManager.default.setAttributes([.posixPermissions: 0o711], ofItemAtPath: directory.path)
        let ports = try (0..<3).map { _ in try FreePort.find() }
        let runner = try PythonFixture.start(
            "xmpp_server.py",
            [kind.rawValue, directory.file("server")] + ports.map { "\($0)" } + ["\(users)"]
                + (certificate.map { [$0.certificate, $0.key] } ?? [])
        )
        let server = XMPPServer(runner, directory, ports[0], ports[1])
        _ = try await runner.line(containing: "ready", within: .seconds(90))
        return server
    }

    /// Of a user there.
    static func address(_ user: String) -> String { "\(user)@example.test" }

    /// A producer's stanza for the queue xmppout.
    static func message(_ body: String, to contact: String = address("u0")) -> String {
        "<message to='\(contact)' type='chat'><body>\(body)</body></message>"
    }

    /// hostd, started, whose site sends by this server.
    func installation(_ mode: Mode) async throws -> Installation { try await Self.installation(settings(mode)) }

    /// The same with a section of the site's file, and lines of hostd.yaml's section queue.
    static func installation(_ section: String, queue: [String] = []) async throws -> Installation {
        let installation = try Installation(.init(workers: 1, queue: queue, plugins: ["xmppout": section]))
        try await installation.start()
        return installation
    }

    /// Kills the server, and starts it again at once.
    func killAndStart() async throws { try await command("kill", "start") }

    /// Ends the server in order, and starts it again at once, with another certificate where one is given.
    func stopAndStart(certificate: CertificateFiles.Pair? = nil) async throws {
        if let certificate { try runner.write("certificate \(certificate.certificate) \(certificate.key)\n") }
        try await command("stop", "start")
    }

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
    ///
    /// `secret`: Another one than the right one. `more`: Further keys.
    func settings(_ mode: Mode, user: String = "bot", secret: String? = nil, more: String = "") -> String {
        let more = more.isEmpty ? "" : ", " + more
        switch mode {
        case .component:
            return "{ enabled: true, mode: component, domain: queue.example.test, port: \(componentPort), "
                + "secret: \(secret ?? "s3cret")\(more) }"
        case .client:
            return "{ enabled: true, mode: client, domain: example.test, host: 127.0.0.1, port: \(clientPort), "
                + "user: \(user), password: \(secret ?? "pw")\(more) }"
        }
    }
}

/// What slixmpp's contacts have got.
final class XMPPContacts: Sendable {
    struct Message: Sendable, Equatable {
        let contact: String
        let from: String
        /// The server had kept it while the contact was away.
        let isStored: Bool
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
            let words = line.split(separator: " ", maxSplits: 3)
            guard words.count == 4, let body = try? JSON.parse(String(words[3])).text else { return nil }
            let isStored = words[2] == "stored"
            return Message(contact: String(words[0]), from: String(words[1]), isStored: isStored, body: body)
        }
    }

    func send(_ body: String, from contact: String, to address: String) throws {
        try runner.write("\(contact) \(address) \(body)\n")
    }
}
