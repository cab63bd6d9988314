// SPDX-License-Identifier: Apache-2.0

import PluginKit
import PluginKitTesting
import Testing

@testable import Twitter

/// What each answer to a post means, as the whole plugin takes it.
@Suite struct TwitterReplyTests {
    private func outcome(_ answers: FakeHTTP.Answer, again: Bool = false) async throws -> Outcome {
        let host = try await TwitterFixture.host(TwitterFixture.account())
        host.http.answer { _ in answers }
        return try await TwitterFixture.deliver(host, again: again)
    }

    @Test(
        "Codes that refuse the credentials hold the account's items for an hour",
        arguments: [(401, 32), (401, 89), (400, 215), (403, 89)]
    )
    func credentials(status: Int, code: Int) async throws {
        let outcome = try await outcome(TwitterFixture.error(status, code: code, "Invalid or expired token."))
        #expect(outcome.verdict == .defer && outcome.reason == .auth && outcome.hold == .seconds(3600))
        #expect(
            outcome.text.contains("Invalid or expired token.") && outcome.text.contains("connect the account again")
        )
    }

    @Test("401 alone does so too, whatever its body", arguments: ["", "<html>", #"{"title": "Unauthorized"}"#])
    func unauthorized(body: String) async throws {
        let outcome = try await outcome(.respond(401, body: body))
        #expect(outcome.verdict == .defer && outcome.reason == .auth && outcome.hold == .seconds(3600))
    }

    @Test("An account that is suspended, locked or taken for a robot is held for long", arguments: [64, 226, 326])
    func stopped(code: Int) async throws {
        let outcome = try await outcome(TwitterFixture.error(403, code: code))
        #expect(outcome.verdict == .defer && outcome.reason == .auth && outcome.hold == .seconds(6 * 3600))
    }

    @Test(
        "What refuses this one status is a dead letter",
        arguments: [(403, 186, Reason.rejected), (403, 453, .config), (403, 261, .rejected), (400, 25, .rejected)]
    )
    func dead(status: Int, code: Int, reason: Reason) async throws {
        let outcome = try await outcome(TwitterFixture.error(status, code: code))
        #expect(outcome.verdict == .discard && outcome.reason == reason && outcome.isKept)
        #expect(outcome.text.contains("code \(code)"))
    }

    @Test("v2 says by its type that the application may not")
    func forbiddenApplication() async throws {
        let type = "https://api.x.com/2/problems/client-forbidden"
        let outcome = try await outcome(.respond(403, body: #"{"title": "Client Forbidden", "type": "\#(type)"}"#))
        #expect(outcome.verdict == .discard && outcome.reason == .config)
        let locked = try await self.outcome(.respond(403, body: #"{"detail": "Your account is temporarily locked."}"#))
        #expect(locked.verdict == .defer && locked.reason == .auth)
    }

    @Test("A duplicate is a dead letter, unless an answer was lost before: then it is delivered")
    func duplicates() async throws {
        let words = "You are not allowed to create a Tweet with duplicate content."
        let v2 = FakeHTTP.Answer.respond(403, body: #"{"detail": "\#(words)", "title": "Forbidden"}"#)
        for answer in [TwitterFixture.error(403, code: 187, "Status is a duplicate."), v2] {
            let first = try await outcome(answer)
            #expect(first.verdict == .discard && first.reason == .rejected)
            #expect(try await outcome(answer, again: true) == .done)
        }
    }

    @Test("429 and 88 set the lane's clock by x-rate-limit-reset, else Retry-After, else a window")
    func rateLimits() async throws {
        let now: Int64 = 1_800_000_000
        let reset = ["x-rate-limit-remaining": "0", "x-rate-limit-reset": "\(now + 300)"]
        let limited = try await outcome(.respond(429, headers: reset, body: "{}"))
        #expect(limited.verdict == .defer && limited.reason == .rate && limited.hold == .seconds(301))
        #expect(limited.delay == .seconds(301))
        let day = [
            "x-rate-limit-remaining": "9", "x-rate-limit-reset": "\(now + 300)",
            "x-user-limit-24hour-remaining": "0", "x-user-limit-24hour-reset": "\(now + 7000)",
        ]
        #expect(try await outcome(.respond(429, headers: day)).hold == .seconds(7001))
        #expect(try await outcome(.respond(429, retryAfter: .seconds(40))).hold == .seconds(40))
        #expect(try await outcome(.respond(420)).hold == .seconds(900))
        #expect(try await outcome(TwitterFixture.error(403, code: 88)).hold == .seconds(900))
        #expect(try await outcome(TwitterFixture.error(403, code: 185)).hold == .seconds(3600))
        let past = ["x-rate-limit-reset": "-99999999999999999999", "x-rate-limit-remaining": "0"]
        #expect(try await outcome(.respond(429, headers: past)).hold == .seconds(900))
        #expect(try await outcome(.respond(429, headers: ["x-rate-limit-reset": "5"])).hold == .seconds(1))
        let far = ["x-rate-limit-reset": "\(Int64.max)"]
        #expect(try await outcome(.respond(429, headers: far)).hold == .seconds(86_400))
        let usage = #"{"type": "https://api.x.com/2/problems/usage-capped"}"#
        #expect(try await outcome(.respond(429, body: usage)).hold == .seconds(6 * 3600))
    }

    @Test("A success that uses up the window holds the lane until it is over")
    func usedUp() async throws {
        let headers = ["x-rate-limit-remaining": "0", "x-rate-limit-reset": "1800000100"]
        let outcome = try await outcome(TwitterFixture.posted(headers: headers))
        #expect(outcome.verdict == .done && outcome.hold == .seconds(101))
    }

    @Test(
        "5xx is a retry; one that may have been carried out says so",
        arguments: [(500, true), (502, true), (503, false), (504, true)]
    )
    func serverErrors(status: Int, maybe: Bool) async throws {
        let outcome = try await outcome(.respond(status, body: "<html>oops</html>", retryAfter: .seconds(9)))
        #expect(outcome.verdict == .retry && outcome.reason == .remote && outcome.maybeDelivered == maybe)
        #expect(outcome.delay == .seconds(9) && outcome.hold == .seconds(9))
        #expect(try await self.outcome(TwitterFixture.error(503, code: 130)).maybeDelivered == false)
        #expect(try await self.outcome(TwitterFixture.error(500, code: 131)).maybeDelivered)
    }

    @Test("2xx that isn't Twitter's JSON is maybe delivered", arguments: ["", "<html>", "{}", "\"ok\"", "{\"data\":"])
    func html(body: String) async throws {
        let outcome = try await outcome(.respond(200, body: body))
        #expect(outcome.verdict == .retry && outcome.reason == .remote && outcome.maybeDelivered)
    }

    @Test("HTML with 403 isn't Twitter's word, a redirect is the operator's to mend, 404 of a post is one too far")
    func others() async throws {
        let portal = try await outcome(.respond(403, body: "<html>"))
        #expect(portal.verdict == .retry && !portal.maybeDelivered)
        let moved = try await outcome(.respond(301, headers: ["location": "https://new.example/"]))
        #expect(moved.verdict == .discard && moved.reason == .config && moved.text.contains("https://new.example/"))
        #expect(try await outcome(.respond(404)).reason == .gone)
        let payment = try await outcome(.respond(402, body: #"{"title": "CreditsDepleted"}"#))
        #expect(payment.verdict == .defer && payment.reason == .config && payment.text.contains("CreditsDepleted"))
    }

    @Test("Twitter's clock is used after a 135, once; then somebody has to mend ours")
    func clock() async throws {
        let host = try await TwitterFixture.host(TwitterFixture.account())
        let skewed = FakeHTTP.Answer.respond(
            401,
            headers: ["date": "Fri, 15 Jan 2027 09:00:00 GMT"],
            body: #"{"errors": [{"code": 135, "message": "Timestamp out of bounds."}]}"#
        )
        host.http.answer(inTurn: skewed, TwitterFixture.posted())
        #expect(try await TwitterFixture.deliver(host) == .done)
        let stamps = host.http.requests.map { $0.header("Authorization")?.contains("oauth_timestamp=\"1800003600\"") }
        #expect(stamps == [false, true])
        host.http.answer { _ in skewed }
        let second = TwitterFixture.notice(("uri", "http://alice.example/notice/43"))
        let outcome = try await TwitterFixture.deliver(host, second)
        #expect(outcome.verdict == .defer && outcome.reason == .config && outcome.hold == .seconds(900))
        #expect(host.http.requests.count == 4 && host.log.contains { $0.level == 3 })
    }

    @Test("Dates of answers are read by the calendar, and nothing else is a date")
    func dates() {
        #expect(HTTPDate.parse("Sun, 06 Nov 1994 08:49:37 GMT")?.seconds == 784_111_777)
        #expect(HTTPDate.parse("Thu, 01 Jan 1970 00:00:00 GMT")?.seconds == 0)
        #expect(HTTPDate.parse("Thu, 29 Feb 2024 23:59:59 GMT")?.seconds == 1_709_251_199)
        for bad in [
            "", "now", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Nox 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 25:49:37 GMT",
        ] {
            #expect(HTTPDate.parse(bad) == nil, "\(bad)")
        }
    }
}
