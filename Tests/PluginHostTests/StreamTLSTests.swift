// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOSSL
import PluginABI
import Testing
import TestSupport

@testable import PluginHost

@Suite struct StreamTLSTests {
    private static let trusted = HOSTD_S_TRUSTED
    private static let trustedTLS = HOSTD_S_TRUSTED | HOSTD_S_TLS

    @Test("TLS from the first byte: the handshake is over when the stream is connected")
    func direct() async throws {
        let server = try await ByteServer(tls: TestCertificates.serverContext(.good))
        let plugin = try await HostedPlugin("connected")
        let authority = try await TestCertificates.authority()
        _ = try await plugin.answer(
            "open a \(Self.trustedTLS) 127.0.0.1 \(server.port) 0 - good.example \(authority)"
        )
        #expect(try await plugin.report("a ") == "a connected 0")
        #expect(try await plugin.answer("write a hello") == "status=0")
        #expect(try await plugin.report("a data") == "a data hello")
        #expect(try await plugin.answer("write-close a the-end") == "status=0 close=0 late=\(HOSTD_E_STALE)")
        #expect(try await plugin.report("a closed") == "a closed 0")
        try await server.heard("the-end")
        #expect(try await plugin.answer("start-tls a") == "status=\(HOSTD_E_STALE)")
    }

    @Test("STARTTLS: plain first, then secured; nothing is written in between")
    func startTLS() async throws {
        let server = try await ByteServer(startTLS: TestCertificates.serverContext(.good))
        let plugin = try await HostedPlugin("connected")
        let authority = try await TestCertificates.authority()
        _ = try await plugin.answer("open a \(Self.trusted) 127.0.0.1 \(server.port) 0 - good.example \(authority)")
        _ = try await plugin.report("a connected")
        _ = try await plugin.answer("write a starttls")
        #expect(try await plugin.report("a data") == "a data proceed")
        #expect(try await plugin.answer("secret a") == "status=0 write=\(HOSTD_E_INVAL)")
        #expect(try await plugin.report("a secured") == "a secured 0")
        #expect(try await plugin.answer("write a hello") == "status=0")
        #expect(try await plugin.report("a data hello") == "a data hello")
        #expect(try await plugin.answer("start-tls a") == "status=\(HOSTD_E_INVAL)")
        #expect(server.received.all == ["starttls", "hello"])
    }

    @Test(
        "A certificate that isn't right ends the stream before a byte is sent",
        arguments: [
            (CertificateFiles.Kind.good, "other.example", true), (.expired, "good.example", true),
            (.selfSigned, "good.example", true), (.good, "good.example", false), (.good, "-", true),
        ]
    )
    func wrongCertificate(kind: CertificateFiles.Kind, name: String, knowsAuthority: Bool) async throws {
        let context = try await TestCertificates.serverContext(kind)
        let (direct, later) = (try await ByteServer(tls: context), try await ByteServer(startTLS: context))
        let plugin = try await HostedPlugin("connected")
        let authority = knowsAuthority ? try await TestCertificates.authority() : "-"
        _ = try await plugin.answer(
            "open a \(Self.trustedTLS) 127.0.0.1 \(direct.port) 0 - \(name) \(authority)"
        )
        #expect(try await plugin.report("a ") == "a closed \(HOSTD_E_IO)")
        #expect(try await plugin.report("a because").contains("certificate is"))
        _ = try await plugin.answer("open b \(Self.trusted) 127.0.0.1 \(later.port) 0 - \(name) \(authority)")
        _ = try await plugin.report("b connected")
        _ = try await plugin.answer("write b starttls")
        _ = try await plugin.report("b data proceed")
        _ = try await plugin.answer("start-tls b")
        #expect(try await plugin.report("b closed") == "b closed \(HOSTD_E_IO)")
        #expect(direct.bytes == 0 && later.bytes == "starttls".utf8.count)
        try await plugin.onLoop { #expect($0.operations.count == 0) }
    }

    @Test("A CA file that isn't there ends the stream, with a line in the log")
    func noAuthorityFile() async throws {
        let server = try await ByteServer(tls: TestCertificates.serverContext(.good))
        let plugin = try await HostedPlugin("connected")
        _ = try await plugin.answer(
            "open a \(Self.trustedTLS) 127.0.0.1 \(server.port) 0 - good.example /nonexistent/ca.pem"
        )
        #expect(try await plugin.report("a ") == "a closed \(HOSTD_E_IO)")
    }

    @Test("A server that accepts and says nothing costs the time limit and no more", arguments: [true, false])
    func silence(fromTheFirstByte: Bool) async throws {
        let server = try await ByteServer(.silent)
        let plugin = try await HostedPlugin("connected")
        let flags = fromTheFirstByte ? Self.trustedTLS : Self.trusted
        _ = try await plugin.answer("open a \(flags) 127.0.0.1 \(server.port) 300 - good.example -")
        if !fromTheFirstByte {
            _ = try await plugin.report("a connected")
            #expect(try await plugin.answer("start-tls a") == "status=0")
        }
        #expect(try await plugin.report("a closed") == "a closed \(HOSTD_E_TIMEOUT)")
        try await plugin.onLoop { #expect($0.operations.count == 0) }
    }

    @Test("A server that speaks no TLS is an error")
    func plainServer() async throws {
        let server = try await ByteServer()
        let plugin = try await HostedPlugin("connected")
        _ = try await plugin.answer("open a \(Self.trustedTLS) 127.0.0.1 \(server.port) 0 - good.example -")
        try await server.send("220 ready when you are\r\n")
        #expect(try await plugin.report("a ") == "a closed \(HOSTD_E_IO)")
    }
}
