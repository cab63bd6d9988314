// SPDX-License-Identifier: Apache-2.0

import OAuth1
import PluginKit
import PluginKitTesting
import Testing

@testable import OMB

@Suite struct OMBDeliverTests {
    @Test("A post has the original's fields, sorted, in a form body, without an Authorization header")
    func request() async throws {
        let host = try await OMBFixture.host(
            OMBFixture.subscription("http://a.example/omb?x=1"),
            config: ["timeout": "7"]
        )
        #expect(try await OMBFixture.deliver(host).outcome == .done)
        let request = try #require(host.http.requests.first)
        #expect(request.method == "POST" && request.url == "http://a.example/omb" && request.timeout == .seconds(7))
        #expect(request.header("Content-Type") == "application/x-www-form-urlencoded" && request.headers.count == 1)
        let fields = OMBFixture.fields(request)
        #expect(
            fields.map(\.name) == [
                "oauth_consumer_key", "oauth_nonce", "oauth_signature", "oauth_signature_method", "oauth_timestamp",
                "oauth_token",
                "oauth_version", "omb_listenee", "omb_notice", "omb_notice_content", "omb_notice_license",
                "omb_notice_url",
                "omb_version", "x",
            ]
        )
        let values = Dictionary(uniqueKeysWithValues: fields.map { ($0.name, $0.value) })
        #expect(values["oauth_consumer_key"] == "http://alice.example/" && values["oauth_token"] == "tok")
        #expect(values["omb_notice_content"] == "caf\u{E9} & *stars* ~ok" && values["x"] == "1")
        #expect(values["oauth_timestamp"] == "\(host.clock.now.seconds)" && values["oauth_version"] == "1.0")
        #expect(values["oauth_nonce"]?.count == 32 && values["oauth_nonce"]?.allSatisfy(\.isHexDigit) == true)
    }

    @Test("Signatures stand up to python3-oauthlib: many contents and tokens, URLs with and without a query")
    func independent() async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SplitMix(state: seed)
        var forms: [ReceivedForm] = []
        for round in 0..<40 {
            let url =
                "http://host\(round).example:8\(round)/omb" + ["", "?b=2&a=%C3%A9+x", "?omb_z=&oauth_a=1"][round % 3]
            // oauthlib unescapes oauth_ parameters of a body once too often: a token with an escape in it would mislead it.
            let token = text(&random).replacing("%", with: "")
            let host = try await OMBFixture.host(OMBFixture.subscription(url, token: token))
            let content = text(&random)
            let staged = await host.expand(OMBFixture.notice(("content", .string(content)))).staged
            #expect(await host.deliver(try #require(staged.first)).outcome == .done)
            let request = try #require(host.http.requests.first)
            forms.append(
                ReceivedForm(url: request.url, body: request.text, token: token, token_secret: "secret of \(token)")
            )
        }
        let spoiled = forms[0]
        let body = spoiled.body.replacing("omb_notice_content=", with: "omb_notice_content=x")
            .replacing("oauth_nonce=", with: "oauth_nonce=0")
        forms.append(
            ReceivedForm(url: spoiled.url, body: body, token: spoiled.token, token_secret: spoiled.token_secret)
        )
        let verdicts = try ReceivedForm.verify(forms)
        #expect(verdicts == Array(repeating: "ok", count: 40) + ["the signature doesn't match"], "seed \(seed)")
    }

    @Test("403 ends that one subscription, and the next token is tried")
    func unsubscribed() async throws {
        let host = try await OMBFixture.host(
            OMBFixture.subscription("http://a.example/omb", "1", token: "one"),
            OMBFixture.subscription("http://a.example/omb", "2", token: "two"),
            OMBFixture.subscription("http://b.example/omb", "1", token: "other")
        )
        host.http.answer(inTurn: .respond(403), .respond(200, body: OMBFixture.confirmation))
        #expect(try await OMBFixture.deliver(host).outcome == .done)
        #expect(host.http.requests.count == 2)
        #expect(host.recipients.all().map(\.key) == ["2", "1"])
        host.http.answer(inTurn: .respond(403))
        let last = try await OMBFixture.deliver(host).outcome
        #expect(last == .discard(.gone, "no subscription of this target is left", keep: false))
        #expect(host.recipients.all().map(\.target) == ["http://b.example/omb"])
    }

    @Test("Nothing is sent for a target that has unsubscribed since it was staged")
    func gone() async throws {
        let host = try await OMBFixture.host(OMBFixture.subscription("http://a.example/omb"))
        let staged = await host.expand(OMBFixture.notice()).staged
        let other = try await OMBFixture.host()
        let outcome = await other.deliver(try #require(staged.first)).outcome
        #expect(outcome == .discard(.gone, "no subscription of this target is left", keep: false))
        #expect(other.http.requests.isEmpty)
    }

    @Test("Tokens that aren't accepted (401), or that are missing, make a dead letter, but another's success wins")
    func unauthorized() async throws {
        let host = try await OMBFixture.host(
            OMBFixture.subscription("http://a.example/omb", "1"),
            OMBFixture.subscription("http://a.example/omb", "2"),
            Recipient(author: OMBFixture.author, target: "http://a.example/omb", key: "3")
        )
        host.http.answer(inTurn: .respond(401), .respond(200, body: OMBFixture.confirmation))
        #expect(try await OMBFixture.deliver(host).outcome == .done)
        host.http.answer(inTurn: .respond(401))
        let outcome = try await OMBFixture.deliver(host).outcome
        #expect(outcome.verdict == .discard && outcome.reason == .auth && outcome.isKept)
        #expect(host.http.requests.count == 4 && host.recipients.all().count == 3)
    }

    @Test(
        "A failure of the network is a retry that says whether the post may have arrived",
        arguments: [(HTTPError.Kind.network, false), (.network, true), (.timeout, true)]
    )
    func network(kind: HTTPError.Kind, sent: Bool) async throws {
        let host = try await OMBFixture.host(
            OMBFixture.subscription("http://a.example/omb", "1"),
            OMBFixture.subscription("http://a.example/omb", "2")
        )
        host.http.answer { _ in .fail(kind, sent: sent) }
        let outcome = try await OMBFixture.deliver(host).outcome
        #expect(outcome.verdict == .retry && outcome.reason == .network && outcome.maybeDelivered == sent)
        // Another token wouldn't do better.
        #expect(host.http.requests.count == 1)
    }

    @Test("A forbidden address is a dead letter, an endless answer a retry, a silent target ends with the time limit")
    func otherFailures() async throws {
        let host = try await OMBFixture.host(OMBFixture.subscription("http://a.example/omb"))
        host.http.answer { _ in .fail(.denied, sent: false) }
        let denied = try await OMBFixture.deliver(host).outcome
        #expect(denied.verdict == .discard && denied.reason == .config && denied.isKept)
        host.http.answer { _ in .fail(.tooLong, sent: true) }
        let endless = try await OMBFixture.deliver(host).outcome
        #expect(endless.verdict == .retry && endless.reason == .remote && endless.maybeDelivered)
        host.http.answer { _ in .silence }
        async let silent = OMBFixture.deliver(host)
        while host.clock.timerCount == 0 { await Task.yield() }
        await host.clock.advance(by: .seconds(5))
        #expect(try await silent.outcome.maybeDelivered)
    }

    @Test("Answers without omb_version are delivered and counted; many in a row hold the lane, until one confirms")
    func unconfirmed() async throws {
        let host = try await OMBFixture.host(OMBFixture.subscription("http://a.example/omb"))
        host.http.answer { _ in .respond(200, body: "<html>for sale</html>") }
        for _ in 1..<OMBSite.streakLimit { #expect(try await OMBFixture.deliver(host).outcome == .done) }
        let held = try await OMBFixture.deliver(host).outcome
        #expect(held.verdict == .done && held.hold == OMBSite.streakHold && held.text.hasPrefix("20 answers in a row"))
        #expect(host.metric("omb_unconfirmed_total") == 20)
        host.http.answer { _ in .respond(200, body: OMBFixture.confirmation) }
        #expect(try await OMBFixture.deliver(host).outcome == .done)
        host.http.answer { _ in .respond(204) }
        #expect(try await OMBFixture.deliver(host).outcome == .done)
    }

    @Test("An item that may be a duplicate is sent all the same")
    func duplicate() async throws {
        let host = try await OMBFixture.host(OMBFixture.subscription("http://a.example/omb"))
        var item = try #require(await host.expand(OMBFixture.notice()).staged.first)
        item.mayBeDuplicate = true
        #expect(await host.deliver(item).outcome == .done && host.http.requests.count == 1)
    }

    @Test("What stage 1 can't have made is a dead letter")
    func badItems() async throws {
        let host = try await OMBFixture.host(OMBFixture.subscription("mailto:a@b"))
        #expect(try await OMBFixture.deliver(host).outcome.reason == .badData)
        for shared in ["", "OMB1 ", "OMB1 5 5\nshort", "OMB1 x 1\n", "OMB2 1 1\nabc", "OMB1 99999999999 1\nabc"] {
            let item = FakeItem(queue: "ombout", payload: Array("http://a.example/".utf8), shared: Array(shared.utf8))
            let outcome = await host.deliver(item).outcome
            #expect(outcome.reason == .badData && outcome.isKept, "\(shared)")
        }
        #expect(host.http.requests.isEmpty)
    }

    @Test("A new site configuration is used from then on; a bad one is refused")
    func reconfigure() async throws {
        let host = try await OMBFixture.host(OMBFixture.subscription("http://a.example/omb"))
        try await host.reconfigure(config: ["timeout": "9", "site.root": "http://new.example/"])
        for bad in ["0", "61"] {
            await #expect { try await host.reconfigure(config: ["timeout": bad]) } throws: {
                "\($0)" == "timeout: expected 1 to 60 seconds, found \(bad)"
            }
        }
        await #expect(throws: FakeHost.Refusal.self) { try await host.reconfigure(config: ["site.root": ""]) }
        #expect(try await OMBFixture.deliver(host).outcome == .done)
        let request = try #require(host.http.requests.first)
        #expect(request.timeout == .seconds(9))
        #expect(OMBFixture.fields(request).first?.value == "http://new.example/")
    }

    @Test("A host without http or recipients is refused, one without metrics isn't")
    func services() async throws {
        await #expect(throws: FakeHost.Refusal.self) { try await FakeHost(OMBPlugin.self, lacking: [.http]) }
        await #expect(throws: FakeHost.Refusal.self) { try await FakeHost(OMBPlugin.self, lacking: [.recipients]) }
        _ = try await FakeHost(OMBPlugin.self, lacking: [.metrics, .values, .loop])
    }

    private func text(_ random: inout SplitMix) -> String {
        let alphabet: [Character] = [
            "a", "Z", "0", "~", "-", "%", "&", "=", "+", " ", "*", "\u{E9}", "\u{1F600}", "/", "'",
        ]
        return "x"
            + String(
                (0..<Int.random(in: 0...40, using: &random)).compactMap { _ in alphabet.randomElement(using: &random) }
            )
    }
}

/// A seeded generator, so that a failing round can be run again.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
