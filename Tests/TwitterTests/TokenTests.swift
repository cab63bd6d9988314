// SPDX-License-Identifier: Apache-2.0

import PluginKit
import PluginKitTesting
import Testing

@testable import Twitter

@Suite struct TokenTests {
    private static let config = ["consumer_key": "", "consumer_secret": "", "client_id": "client"]
    private static let refreshed =
        #"{"access_token": "access-2", "refresh_token": "refresh-2", "expires_in": 7200, "token_type": "bearer"}"#

    private func host(_ row: Recipient, secret: String? = nil) async throws -> FakeHost {
        let secret = secret.map { ["client_secret": $0] } ?? [:]
        return try await TwitterFixture.host(row, config: Self.config.merging(secret) { $1 })
    }

    /// Takes one access token, and refreshes as it is told.
    private func serve(
        _ host: FakeHost,
        accepting token: String,
        refresh: FakeHTTP.Answer = .respond(200, body: refreshed)
    ) {
        host.http.answer { request in
            if request.url.hasSuffix("/oauth2/token") { return refresh }
            return request.header("Authorization") == "Bearer \(token)" ? TwitterFixture.posted() : .respond(401)
        }
    }

    @Test("A bearer token is sent as it is")
    func bearer() async throws {
        let host = try await host(TwitterFixture.oauth2())
        #expect(try await TwitterFixture.deliver(host) == .done)
        #expect(host.http.requests.map { $0.header("Authorization") } == ["Bearer access-1"])
    }

    @Test("A refused token is refreshed once, stored, and used from then on", arguments: [nil, "s"])
    func refresh(secret: String?) async throws {
        let host = try await host(TwitterFixture.oauth2(), secret: secret)
        serve(host, accepting: "access-2")
        #expect(try await TwitterFixture.deliver(host) == .done)
        #expect(host.http.requests.count == 3)
        let request = host.http.requests[1]
        let form = TwitterFixture.form(request)
        #expect(form["grant_type"] == "refresh_token" && form["refresh_token"] == "refresh-1")
        #expect(form["client_id"] == (secret == nil ? "client" : nil))
        // "client:s" in Base64.
        #expect(request.header("Authorization") == (secret == nil ? nil : "Basic Y2xpZW50OnM="))
        let second = TwitterFixture.notice(("uri", "http://alice.example/notice/43"))
        #expect(try await TwitterFixture.deliver(host, second) == .done)
        #expect(host.http.requests.count == 4)
    }

    @Test("A token that is about to end is refreshed before it is used")
    func beforeItsEnd() async throws {
        let host = try await host(TwitterFixture.oauth2(expires: 1_800_000_030))
        serve(host, accepting: "access-2")
        #expect(try await TwitterFixture.deliver(host) == .done)
        #expect(host.http.requests.map { $0.url.hasSuffix("token") } == [true, false])
        // The new one lasts for two hours.
        await host.clock.advance(by: .seconds(7000))
        let second = TwitterFixture.notice(("uri", "http://alice.example/notice/43"))
        #expect(try await TwitterFixture.deliver(host, second) == .done)
        #expect(host.http.requests.count == 3)
    }

    @Test("Two at once spend the refresh token once: the other waits, without an attempt")
    func oneSpends() async throws {
        let host = try await host(TwitterFixture.oauth2())
        serve(host, accepting: "access-2", refresh: .after(.seconds(3), .respond(200, body: Self.refreshed)))
        async let first = TwitterFixture.deliver(host)
        while !host.http.requests.contains(where: { $0.url.hasSuffix("token") }) { await Task.yield() }
        let second = TwitterFixture.notice(("uri", "http://alice.example/notice/43"))
        let waiting = try await TwitterFixture.deliver(host, second)
        #expect(waiting.verdict == .defer && waiting.delay == .seconds(2))
        await host.clock.advance(by: .seconds(3))
        #expect(try await first == .done)
        #expect(try await TwitterFixture.deliver(host, second) == .done)
        #expect(host.http.requests.count { $0.url.hasSuffix("token") } == 1)
    }

    @Test("A refused refresh holds the account; connecting it anew lets it go on")
    func revoked() async throws {
        let host = try await host(TwitterFixture.oauth2())
        serve(host, accepting: "access-9", refresh: .respond(400, body: #"{"error": "invalid_request"}"#))
        let outcome = try await TwitterFixture.deliver(host)
        #expect(outcome.verdict == .defer && outcome.reason == .auth && outcome.hold == .seconds(3600))
        #expect(outcome.text.contains("invalid_request"))
        host.recipients.add(
            Recipient(author: TwitterFixture.author, target: "1001", credentials: ["access_token": "access-9"])
        )
        #expect(try await TwitterFixture.deliver(host) == .done)
    }

    @Test("A refresh without an answer may have spent the token: nobody tries before the claim is over")
    func lost() async throws {
        let host = try await host(TwitterFixture.oauth2())
        serve(host, accepting: "access-2", refresh: .fail(.network, sent: true))
        let outcome = try await TwitterFixture.deliver(host)
        #expect(outcome.verdict == .defer && outcome.reason == .network && outcome.delay == .seconds(120))
        serve(host, accepting: "access-2")
        #expect(try await TwitterFixture.deliver(host).delay == .seconds(2))
        await host.clock.advance(by: .seconds(120))
        #expect(try await TwitterFixture.deliver(host) == .done)
    }

    @Test("A refresh that didn't reach anybody, or that failed there, is given back at once")
    func givenBack() async throws {
        let host = try await host(TwitterFixture.oauth2())
        serve(host, accepting: "access-2", refresh: .fail(.network, sent: false))
        #expect(try await TwitterFixture.deliver(host).verdict == .defer)
        serve(host, accepting: "access-2", refresh: .respond(503, retryAfter: .seconds(7)))
        let busy = try await TwitterFixture.deliver(host)
        #expect(busy.verdict == .defer && busy.reason == .remote && busy.hold == .seconds(7))
        serve(host, accepting: "access-2")
        #expect(try await TwitterFixture.deliver(host) == .done)
    }

    @Test("No secret is logged, nor told in an outcome")
    func secrets() async throws {
        let host = try await host(TwitterFixture.oauth2())
        serve(host, accepting: "access-2", refresh: .respond(401))
        let outcome = try await TwitterFixture.deliver(host)
        let told = host.log.map { "\($0.message) \($0.fields)" } + [outcome.text]
        for secret in ["access-1", "refresh-1"] { #expect(!told.contains { $0.contains(secret) }) }
    }
}
