// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import Control
import FoundationEssentials
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Telemetry
import Testing
import TestSupport

@testable import Console

/// The real server on a free loopback port, asked over HTTP; the supervisor is a double.
@Suite struct ConsoleServerTests {
    private struct FakeSource: StatusSource {
        var failure: ControlError?

        func ask(_ command: String) async throws -> JSONValue {
            if let failure { throw failure }
            return switch command {
            case "status":
                .object([
                    "hostd": .object(["version": .string("9.9")]), "token": .string("s3cret"), "queues": .array([]),
                ])
            case "metrics":
                try JSONDecoder().decode(
                    JSONValue.self,
                    from: JSONEncoder().encode([
                        MetricSample(HostMetrics.itemsEnqueued, value: 40),
                        MetricSample(HostMetrics.itemsEnqueued, value: 2),
                    ])
                )
            case "ping": .object([:])
            default: .array([])
            }
        }
    }

    private struct Answer {
        let status: HTTPResponseStatus
        let headers: HTTPHeaders
        let body: String
    }

    /// Serves `requests` and stops again.
    private func serving(
        token: String? = nil,
        failure: ControlError? = nil,
        _ requests: (_ port: Int) async throws -> Void
    ) async throws {
        var configuration = ConsoleConfiguration(
            listenHost: "127.0.0.1",
            listenPort: 0,
            token: token,
            controlSocket: "/nowhere"
        )
        configuration.version = "1.2.3"
        let server = try await ConsoleServer.start(
            configuration,
            source: FakeSource(failure: failure),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        do {
            try await requests(server.port)
        } catch {
            await server.stop()
            throw error
        }
        await server.stop()
    }

    private func get(
        _ port: Int,
        _ path: String,
        method: HTTPMethod = .GET,
        headers: HTTPHeaders = [:]
    ) async throws -> Answer {
        var request = HTTPClientRequest(url: "http://127.0.0.1:\(port)\(path)")
        request.method = method
        request.headers = headers
        let response = try await Self.client.execute(request, timeout: .seconds(20))
        let body = try await response.body.collect(upTo: 1 << 20)
        return Answer(status: response.status, headers: response.headers, body: String(buffer: body))
    }

    /// Never shut down, as the process ends with the tests; redirects are to be seen, not followed.
    private static let client = HTTPClient(
        eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
        configuration: .init(redirectConfiguration: .disallow)
    )

    @Test("Health is a small JSON document while the supervisor answers")
    func health() async throws {
        try await serving { (port: Int) async throws -> Void in
            let answer = try await get(port, "/health")
            #expect(answer.status == .ok)
            #expect(answer.headers.first(name: "content-type") == "application/json")
            let document = try JSONDecoder().decode(JSONValue.self, from: Data(answer.body.utf8))
            #expect(document == .object(["status": .string("ok"), "version": .string("1.2.3")]))
        }
    }

    @Test(
        "Without the supervisor every document is a 503 with the reason, and names no path",
        arguments: ["/health", "/status.json", "/metrics", "/"]
    )
    func unavailable(path: String) async throws {
        try await serving(failure: .notRunning(path: "/var/lib/hostd/control.sock")) {
            (port: Int) async throws -> Void in
            let answer = try await get(port, path)
            #expect(answer.status == .serviceUnavailable)
            #expect(answer.body.contains("takes no connection"))
            #expect(!answer.body.contains("/var/lib"))
        }
    }

    @Test("Metrics of several processes come out as one Prometheus text")
    func metrics() async throws {
        try await serving { (port: Int) async throws -> Void in
            let answer = try await get(port, "/metrics")
            #expect(answer.headers.first(name: "content-type") == PrometheusText.contentType)
            #expect(answer.body.contains("# TYPE hostd_items_enqueued_total counter\nhostd_items_enqueued_total 42\n"))
        }
    }

    @Test("The page and status.json show the status and no secret, under a policy that lets nothing else in")
    func documents() async throws {
        try await serving { (port: Int) async throws -> Void in
            for path in ["/", "/status.json"] {
                let answer = try await get(port, path)
                #expect(answer.status == .ok)
                #expect(answer.body.contains("9.9"))
                #expect(!answer.body.contains("s3cret"))
                let policy = try #require(answer.headers.first(name: "content-security-policy"))
                #expect(policy.hasPrefix("default-src 'none';"))
                #expect(!policy.contains("unsafe"))
                #expect(answer.headers.first(name: "x-content-type-options") == "nosniff")
                #expect(answer.headers.first(name: "cache-control") == "no-store")
                #expect(answer.headers.first(name: "referrer-policy") == "no-referrer")
            }
            let (first, second) = try await (get(port, "/"), get(port, "/"))
            let nonce = try #require(first.body.split(separator: "nonce=\"").dropFirst().first?.prefix { $0 != "\"" })
            #expect(first.headers.first(name: "content-security-policy")?.contains("'nonce-\(nonce)'") == true)
            #expect(!second.body.contains(nonce))
        }
    }

    @Test("HEAD is answered as GET, without content; everything else changes nothing and is refused")
    func methods() async throws {
        try await serving { (port: Int) async throws -> Void in
            let head = try await get(port, "/health", method: .HEAD)
            let get = try await get(port, "/health")
            #expect(head.status == .ok)
            #expect(head.body.isEmpty)
            #expect(head.headers.first(name: "content-length") == get.headers.first(name: "content-length"))
            for method in [HTTPMethod.POST, .PUT, .DELETE, .OPTIONS] {
                let answer = try await self.get(port, "/", method: method)
                #expect(answer.status == .methodNotAllowed)
                #expect(answer.headers.first(name: "allow") == "GET, HEAD")
            }
            #expect(try await self.get(port, "/nowhere").status == .notFound)
        }
    }

    @Test("A name that isn't this machine's is refused where no token guards the console")
    func rebinding() async throws {
        try await serving { (port: Int) async throws -> Void in
            #expect(try await get(port, "/", headers: ["Host": "evil.example:\(port)"]).status.code == 421)
            #expect(try await get(port, "/status.json", headers: ["Host": "evil.example"]).status.code == 421)
            #expect(try await get(port, "/health", headers: ["Host": "lb.example"]).status == .ok)
            #expect(try await get(port, "/", headers: ["Host": "localhost:8080"]).status == .ok)
        }
    }

    @Test("The token opens everything: as Bearer, and once in the address for a cookie that isn't the token")
    func token() async throws {
        try await serving(token: "geheim ü") { (port: Int) async throws -> Void in
            for path in ["/", "/status.json", "/metrics", "/nowhere"] {
                let answer = try await get(port, path)
                #expect(answer.status == .unauthorized)
                #expect(!answer.body.contains("9.9"))
            }
            #expect(try await get(port, "/health").status == .ok)
            #expect(try await get(port, "/?token=wrong").body.contains("That is not the token"))
            #expect(try await get(port, "/metrics", headers: ["Authorization": "Bearer geheim ü"]).status == .ok)

            let signIn = try await get(port, "/?token=geheim%20%C3%BC")
            #expect(signIn.status == .seeOther)
            #expect(signIn.headers.first(name: "location") == "/")
            let cookie = try #require(signIn.headers.first(name: "set-cookie"))
            #expect(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"))
            #expect(!cookie.contains("geheim"))
            let session = String(cookie.prefix { $0 != ";" })
            #expect(try await get(port, "/", headers: ["Cookie": "a=b; \(session)"]).status == .ok)
            #expect(try await get(port, "/", headers: ["Cookie": session + "0"]).status == .unauthorized)
            // A program that puts the token in the address gets its data at once.
            #expect(try await get(port, "/status.json?token=geheim%20%C3%BC").body.contains("9.9"))
        }
    }

    @Test("A server that stops finishes, also while a browser holds its connection")
    func stops() async throws {
        var held: HTTPClientResponse?
        try await serving { (port: Int) async throws -> Void in
            held = try await Self.client.execute(
                HTTPClientRequest(url: "http://127.0.0.1:\(port)/health"),
                timeout: .seconds(20)
            )
        }
        #expect(held?.status == .ok)
    }
}
