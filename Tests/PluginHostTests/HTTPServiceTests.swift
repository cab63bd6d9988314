// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix
import PluginABI
import QueueCore
import Testing
import TestSupport
import WorkerLink

@testable import PluginHost

@Suite struct HTTPServiceTests {
    private static let trusted = HOSTD_HTTP_TRUSTED
    private static let following = HOSTD_HTTP_TRUSTED | HOSTD_HTTP_FOLLOW

    @Test("A request goes out with its headers and body, and the answer comes back with its")
    func answers() async throws {
        let (plugin, server) = (try await HostedPlugin(), try await SinkServer())
        #expect(
            try await plugin.answer("http \(Self.trusted) \(server.url("/ok"))")
                == "error=0 status=200 sent=1 retry=0 echo=yes body=hello"
        )
        #expect(
            try await plugin.answer("post \(Self.trusted) \(server.url("/post"))")
                == "error=0 status=200 sent=1 retry=0 echo=yes body=POST the body"
        )
    }

    @Test("The connection is kept, and hostd names itself")
    func keepAlive() async throws {
        let server = try await SinkServer()
        let plugin = try await HostedPlugin { $0.http.userAgent = "hostd/1.2.3" }
        for _ in 0..<5 {
            #expect(try await plugin.answer("http 2 \(server.url("/agent"))").hasSuffix("body=hostd/1.2.3"))
        }
        #expect(server.counts.connections == 1)
    }

    @Test("Retry-After is in milliseconds")
    func retryAfter() async throws {
        let (plugin, server) = (try await HostedPlugin(), try await SinkServer())
        #expect(
            try await plugin.answer("http 2 \(server.url("/busy"))")
                == "error=0 status=503 sent=1 retry=7000 echo=yes body="
        )
    }

    @Test("A private address literal is refused at once, without a connection")
    func literalDenied() async throws {
        let (plugin, server) = (try await HostedPlugin(), try await SinkServer())
        #expect(try await plugin.answer("http 0 \(server.url("/ok"))") == "refused=\(HOSTD_E_DENIED)")
        #expect(try await plugin.answer("http 0 http://[::1]:\(server.port)/ok") == "refused=\(HOSTD_E_DENIED)")
        #expect(server.counts.connections == 0)
    }

    @Test("A name that leads to a private address is refused before a byte is sent", arguments: ["localhost", "127.1"])
    func nameDenied(host: String) async throws {
        let (plugin, server) = (try await HostedPlugin(), try await SinkServer())
        for _ in 0..<3 {
            #expect(
                try await plugin.answer("post 0 \(server.url("/post", host: host))")
                    == "error=\(HOSTD_E_DENIED) status=0 sent=0 retry=0 echo= body="
            )
        }
        #expect(server.counts.bytes == 0)
        #expect(server.counts.requests.isEmpty)
    }

    @Test("http.allow_private lets plugins reach it")
    func allowPrivate() async throws {
        let server = try await SinkServer()
        let plugin = try await HostedPlugin { $0.http.allowPrivate = true }
        #expect(
            try await plugin.answer("http 0 \(server.url("/ok", host: "localhost"))").hasPrefix("error=0 status=200")
        )
    }

    @Test("A redirect is the answer, unless it is to be followed")
    func redirects() async throws {
        let (plugin, server) = (try await HostedPlugin(), try await SinkServer())
        #expect(try await plugin.answer("http 2 \(server.url("/moved"))").hasPrefix("error=0 status=302"))
        #expect(
            try await plugin.answer("post \(Self.following) \(server.url("/moved"))")
                == "error=0 status=200 sent=1 retry=0 echo=yes body=hello"
        )
        #expect(server.counts.requests.last == "GET /ok")
        #expect(
            try await plugin.answer("http \(Self.following) \(server.url("/circle"))").hasPrefix("error=0 status=302")
        )
    }

    @Test("What a trusted host redirects to is guarded anew")
    func redirectGuarded() async throws {
        let (plugin, server) = (try await HostedPlugin(), try await SinkServer())
        #expect(
            try await plugin.answer("http \(Self.following) \(server.url("/away"))")
                == "error=\(HOSTD_E_DENIED) status=0 sent=1 retry=0 echo= body="
        )
        #expect(server.counts.requests == ["GET /away"])
    }

    @Test("A body over the cap is an error, with and without a length", arguments: ["/big", "/endless"])
    func cap(path: String) async throws {
        let (plugin, server) = (try await HostedPlugin(), try await SinkServer())
        #expect(
            try await plugin.answer("http-cap 2999 \(server.url(path))")
                == "error=\(HOSTD_E_LIMIT) status=0 sent=1 retry=0 echo= body="
        )
        if path == "/big" {
            #expect(try await plugin.answer("http-cap 3000 \(server.url(path))").hasPrefix("error=0 status=200"))
        }
    }

    @Test("No answer in time is a timeout, and the request may have arrived")
    func timeout() async throws {
        let (plugin, server) = (try await HostedPlugin(), try await SinkServer())
        #expect(
            try await plugin.answer("http-timeout 100 \(server.url("/hang"))")
                == "error=\(HOSTD_E_TIMEOUT) status=0 sent=1 retry=0 echo= body="
        )
    }

    @Test("Where nobody listens nothing was sent")
    func refused() async throws {
        let plugin = try await HostedPlugin()
        let server = try await SinkServer()
        let free = try await Self.freePort()
        #expect(
            try await plugin.answer("post 2 http://127.0.0.1:\(free)/")
                == "error=\(HOSTD_E_IO) status=0 sent=0 retry=0 echo= body="
        )
        #expect(try await plugin.answer("http 2 \(server.url("/ok"))").hasPrefix("error=0"))
    }

    @Test("A connection that ends without an answer is an error, and the request may have arrived")
    func cut() async throws {
        let (plugin, server) = (try await HostedPlugin(), try await SinkServer())
        #expect(
            try await plugin.answer("post 2 \(server.url("/cut"))")
                == "error=\(HOSTD_E_IO) status=0 sent=1 retry=0 echo= body="
        )
    }

    @Test("A header value can't add headers of its own, and a URL must be one")
    func invalid() async throws {
        let (plugin, server) = (try await HostedPlugin(), try await SinkServer())
        #expect(try await plugin.answer("http-bad-header \(server.url("/ok"))") == "refused=\(HOSTD_E_INVAL)")
        for url in ["nonsense", "ftp://x/", "http://", ""] {
            #expect(try await plugin.answer("http 2 \(url)").hasPrefix("refused=\(HOSTD_E_INVAL)"))
        }
        #expect(server.counts.requests.isEmpty)
    }

    @Test("Many requests at once are answered, each once")
    func many() async throws {
        let (plugin, server) = (try await HostedPlugin(), try await SinkServer())
        try await plugin.send(Array(repeating: "post 2 \(server.url("/post"))", count: 60))
        let results = try await plugin.sink.results.first(60)
        #expect(results.allSatisfy { $0.outcome.text.hasSuffix("body=POST the body") })
        try await plugin.onLoop { #expect($0.operations.count == 0) }
    }

    /// A port that was free a moment ago.
    private static func freePort() async throws -> Int {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(
            host: "127.0.0.1",
            port: 0
        )
        .get()
        let port = channel.localAddress?.port ?? 0
        try await channel.close()
        return port
    }
}
