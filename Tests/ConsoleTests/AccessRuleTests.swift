// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Console

@Suite struct AccessRuleTests {
    private static let open = AccessRule(token: nil, session: "abc", isLoopback: true)
    private static let closed = AccessRule(token: "s3cret", session: "abc", isLoopback: false)

    @Test(
        "On loopback without a token only this machine's own names are answered",
        arguments: [
            ("localhost", true), ("localhost:7780", true), ("LocalHost:1", true), ("127.0.0.1", true),
            ("127.0.0.1:7780", true), ("127.8.9.1:80", true), ("[::1]", true), ("[::1]:7780", true),
            ("evil.example", false), ("evil.example:7780", false), ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false), ("10.0.0.1", false), ("[::2]:80", false), ("localhost:x", false),
            ("", false), ("::1", false), ("user@localhost", false),
        ]
    )
    func hosts(host: String, isAllowed: Bool) {
        #expect(Self.open.verdict(on: RequestFacts(host: host)) == (isAllowed ? .allowed : .foreignHost))
    }

    @Test("A request without a Host is foreign; health is answered by any name, and reading only")
    func health() {
        #expect(Self.open.verdict(on: RequestFacts()) == .foreignHost)
        #expect(Self.open.verdict(on: RequestFacts(path: "/health", host: "lb.example")) == .allowed)
        #expect(Self.closed.verdict(on: RequestFacts(path: "/health")) == .allowed)
        #expect(Self.closed.verdict(on: RequestFacts(isReading: false, path: "/health")) == .wrongMethod)
    }

    @Test(
        "The token is needed for all but health, and each way to show it is judged",
        arguments: [
            (RequestFacts(), AccessRule.Verdict.tokenNeeded),
            (RequestFacts(authorization: "Bearer s3cret"), .allowed),
            (RequestFacts(authorization: "bearer  s3cret"), .allowed),
            (RequestFacts(authorization: "Bearer s3creT"), .tokenWrong),
            (RequestFacts(authorization: "Bearer "), .tokenNeeded),
            (RequestFacts(authorization: "Basic czNjcmV0"), .tokenNeeded),
            (RequestFacts(queryToken: "s3cret"), .signedIn),
            (RequestFacts(queryToken: "s3cre"), .tokenWrong),
            (RequestFacts(queryToken: ""), .tokenWrong),
            (RequestFacts(cookies: ["a=b", "hostd_session=abc"]), .allowed),
            (RequestFacts(cookies: ["hostd_session=x", "hostd_session=abc"]), .allowed),
            (RequestFacts(cookies: ["hostd_session=s3cret"]), .tokenNeeded),
            (RequestFacts(cookies: ["hostd_session="]), .tokenNeeded),
            (RequestFacts(authorization: "Bearer wrong", cookies: ["hostd_session=abc"]), .tokenWrong),
            (RequestFacts(isReading: false, authorization: "Bearer s3cret"), .wrongMethod),
        ]
    )
    func token(facts: RequestFacts, verdict: AccessRule.Verdict) {
        #expect(Self.closed.verdict(on: facts) == verdict)
    }

    @Test("Texts are equal only where every byte is, of whatever lengths")
    func equal() {
        #expect(AccessRule.areEqual("abc", "abc"))
        for (shown, expected) in [("abcabc", "abc"), ("abc", "abcabc"), ("", "abc"), ("abd", "abc"), ("abc", "")] {
            #expect(!AccessRule.areEqual(shown, expected))
        }
    }
}
