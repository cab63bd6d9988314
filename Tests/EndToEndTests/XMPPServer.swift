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

    /// `certificate`: That clients get by STARTTLS; without one there is no TLS.
    static func start(
        _ kind: Kind,
        users: Int,
        certificate: CertificateFiles.Pair? = nil
    ) async throws -> XMPPServer {
        let directory = try TemporaryDirectory()
        // The server's own account has to get through.
        try FileManager.default.setAttributes([.posixPermissions: 0o711], ofItemAtPath: directory.path)
        let ports = try (0..<3).map { _ in try freePort() }
        let runner = try PythonFixture.start(
            "xmpp_server.py",
            [kind.rawValue, directory.file("server")] + ports.map { "\($0)" } + ["\(users)"]
                + (certificate.map { [$0.certificate, $0.key] } ?? [])
        )
        let server = XMPPServer(runner, directory, ports[0], ports[1])
        _ = try await runner.line(containing: "ready", within: .seconds(90))
        return server
    }

    /// Kills the server, and starts it again at once.
    func killAndStart() async throws { try await startAgain(after: "kill") }

    /// Ends the server in order, and starts it again at once, with another certificate where one is given.
    func stopAndStart(certificate: CertificateFiles.Pair? = nil) async throws {
        if let certificate { try runner.write("certificate \(certificate.certificate) \(certificate.key)\n") }
        try await startAgain(after: "stop")
    }

    private func startAgain(after end: String) async throws {
        let before = runner.output.all.count
        try runner.write("\(end)\nstart\n")
        try await eventually("the server's return", within: .seconds(90), every: .milliseconds(20)) {
            runner.output.all.count >= before + 2
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
