// SPDX-License-Identifier: Apache-2.0

import PluginKit
import PluginKitTesting
import Testing

@testable import OMB

@Suite struct OMBReplyTests {
    /// The outcome of one post that is answered so.
    private func outcome(_ answer: FakeHTTP.Answer) async throws -> Outcome {
        let host = try await OMBFixture.host(OMBFixture.subscription("http://a.example/omb"))
        host.http.answer { _ in answer }
        return try await OMBFixture.deliver(host).outcome
    }

    @Test(
        "omb_version confirms in any encoding and place",
        arguments: [
            "omb_version=http://openmicroblogging.org/protocol/0.1",
            "omb_version=http%3A%2F%2Fopenmicroblogging.org%2Fprotocol%2F0.1",
            "omb_version=http%3a//openmicroblogging.org/protocol%2f0.1&x=y",
            "ok\nomb_version=http://openmicroblogging.org/protocol/0.1\n",
            "omb_omb_version=omb_version=http://openmicroblogging.org/protocol/0.1",
        ]
    )
    func confirms(body: String) async throws {
        let host = try await OMBFixture.host(OMBFixture.subscription("http://a.example/omb"))
        host.http.answer { _ in .respond(200, body: body) }
        #expect(try await OMBFixture.deliver(host).outcome == .done && host.metric("omb_unconfirmed_total") == 0)
    }

    @Test(
        "Anything else with 2xx is delivered without a confirmation",
        arguments: [
            "", "omb_version", "omb_version=", "omb_version=http://openmicroblogging.org/protocol/0.2", "<html>",
        ]
    )
    func unconfirmed(body: String) async throws {
        let host = try await OMBFixture.host(OMBFixture.subscription("http://a.example/omb"))
        host.http.answer { _ in .respond(202, body: body) }
        #expect(try await OMBFixture.deliver(host).outcome == .done && host.metric("omb_unconfirmed_total") == 1)
    }

    @Test("A gone target is a dead letter", arguments: [404, 410])
    func gone(status: Int) async throws {
        #expect(
            try await outcome(.respond(status)) == .discard(.gone, "the target answered HTTP \(status)", keep: true)
        )
    }

    @Test("Content that the target refuses is a dead letter", arguments: [400, 402, 405, 406, 413, 415, 422, 451])
    func rejected(status: Int) async throws {
        #expect(
            try await outcome(.respond(status)) == .discard(.rejected, "the target answered HTTP \(status)", keep: true)
        )
    }

    @Test("A redirect isn't followed, and says where to", arguments: [301, 302, 303, 307, 308, 304])
    func redirect(status: Int) async throws {
        let there = try await outcome(.respond(status, headers: ["Location": "http://b.example/"]))
        #expect(there.verdict == .discard && there.reason == .rejected && there.isKept)
        #expect(
            there.text
                == "the target answered HTTP \(status), a redirect to http://b.example/: OMB posts don't follow redirects"
        )
        #expect(try await outcome(.respond(status)).text.contains("a redirect: "))
    }

    @Test("The target's own failures are retried", arguments: [500, 502, 503, 504, 599, 408, 425])
    func remote(status: Int) async throws {
        #expect(try await outcome(.respond(status)) == .retry(reason: .remote, "the target answered HTTP \(status)"))
    }

    @Test("Retry-After sets the lane's clock")
    func retryAfter() async throws {
        let busy = Outcome.retry(after: .seconds(90), reason: .remote, "the target answered HTTP 503").holding(
            for: .seconds(90)
        )
        #expect(try await outcome(.respond(503, retryAfter: .seconds(90))) == busy)
        let limited = Outcome.defer(for: .seconds(30), reason: .rate, "the target answered HTTP 429").holding(
            for: .seconds(30)
        )
        #expect(try await outcome(.respond(429, retryAfter: .seconds(30))) == limited)
        let unsaid = Outcome.defer(for: .seconds(60), reason: .rate, "the target answered HTTP 429").holding(
            for: .seconds(60)
        )
        #expect(try await outcome(.respond(429)) == unsaid)
    }
}

@Suite struct OMBPartsTests {
    @Test("Streaks are counted per target, and old ones forgotten")
    func streaks() {
        var streaks = UnconfirmedStreaks(capacity: 4)
        #expect(streaks.count("a") == 1 && streaks.count("a") == 2 && streaks.count("b") == 1)
        streaks.reset("a")
        #expect(streaks.count("a") == 1)
        // "c" pushes a and b into the older half; touching b brings it back; "d" and "e" push a out.
        #expect(streaks.count("c") == 1 && streaks.count("b") == 2 && streaks.count("d") == 1)
        #expect(streaks.count("e") == 1 && streaks.count("a") == 1)
    }

    @Test(
        "A target's user and password aren't shown",
        arguments: [
            ("http://a/b", "http://a/b"), ("http://u:p@a/b@c", "http://a/b@c"),
            ("http://a/b@c?d@e", "http://a/b@c?d@e"),
            ("https://u@x@a:1", "https://a:1"), ("http://a?x@y", "http://a?x@y"), ("nonsense@x", "nonsense@x"),
        ]
    )
    func withoutUser(url: String, shown: String) { #expect(OMBTarget.withoutUser(url) == shown) }

    @Test("An item's own part reads as it was written")
    func target() {
        for (url, recipient) in [("http://a/", "http://a/"), ("http://a/up", "http://a/post"), ("", "")] {
            let target = OMBTarget(url: url, recipient: recipient).bytes.withUnsafeBytes { OMBTarget($0) }
            #expect(target.url == url && target.recipient == recipient)
        }
    }

    @Test("The note in the file says who the plugin is")
    func identity() {
        #expect(OMBPlugin.identity.id == "org.hostd.omb" && OMBPlugin.identity.version == "0.1.0")
        #expect(entry() == PluginEntry.table(for: OMBPlugin.self))
    }
}
