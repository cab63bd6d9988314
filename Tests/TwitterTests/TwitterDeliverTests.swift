// SPDX-License-Identifier: Apache-2.0

import OAuth1
import PluginKit
import PluginKitTesting
import Testing

@testable import Twitter

@Suite struct TwitterDeliverTests {
    @Test("v2: a JSON body that stays outside the signature, in the header's OAuth 1.0a")
    func postV2() async throws {
        let host = try await TwitterFixture.host(TwitterFixture.account(), config: ["base_url": "https://t.example/x/"])
        #expect(try await TwitterFixture.deliver(host) == .done)
        let request = try #require(host.http.requests.first)
        #expect(request.method == "POST" && request.url == "https://t.example/x/2/tweets")
        #expect(request.header("Content-Type") == "application/json" && request.timeout == .seconds(30))
        #expect(try TwitterFixture.json(request) == ["text": "caf\u{E9} & *stars* ~ok"])
        let header = try #require(request.header("Authorization"))
        let nonce = try #require(header.firstMatch(of: /oauth_nonce="([0-9a-f]{32})"/)).1
        let signed = SignedRequest(
            method: "POST",
            url: "https://t.example/x/2/tweets",
            credentials: OAuthCredentials(
                consumerKey: "key",
                consumerSecret: "consumer secret",
                token: "tok-1001",
                tokenSecret: "secret of 1001"
            ),
            nonce: String(nonce),
            timestamp: host.clock.now.seconds
        )
        #expect(header == signed?.authorizationHeader())
    }

    @Test("v1.1: a form body that is signed, with place and parent")
    func postV1() async throws {
        let host = try await TwitterFixture.host(TwitterFixture.account(), config: ["api": "1.1"])
        host.http.answer { _ in .respond(200, body: #"{"id": 12, "id_str": "12"}"#) }
        let parent = TwitterFixture.notice(("uri", "http://bob.example/1"))
        #expect(try await TwitterFixture.deliver(host, parent) == .done)
        let answer = TwitterFixture.notice(
            ("content", "@bob yes"),
            ("reply_to", ["uri": "http://bob.example/1"]),
            ("lat", .number("46.5")),
            ("lon", .number("-7.25"))
        )
        #expect(try await TwitterFixture.deliver(host, answer) == .done)
        let request = try #require(host.http.requests.last)
        #expect(request.url == "https://api.x.com/1.1/statuses/update.json")
        #expect(
            TwitterFixture.form(request) == [
                "status": "@bob yes", "in_reply_to_status_id": "12", "lat": "46.5", "long": "-7.25",
            ]
        )
        #expect(request.header("Authorization")?.hasPrefix("OAuth oauth_consumer_key=\"key\"") == true)
    }

    @Test("Nothing is posted twice: a known status, or one whose answer was lost and that Twitter calls a duplicate")
    func once() async throws {
        let host = try await TwitterFixture.host(TwitterFixture.account())
        host.http.answer(inTurn: .fail(.network, sent: true), TwitterFixture.error(403, code: 187))
        let lost = try await TwitterFixture.deliver(host)
        #expect(lost.verdict == .retry && lost.reason == .network && lost.maybeDelivered)
        // Even where the host has forgotten that it may be one.
        #expect(try await TwitterFixture.deliver(host) == .done)
        #expect(host.http.requests.count == 2)
        #expect(host.http.requests[0].body == host.http.requests[1].body)
        #expect(try await TwitterFixture.deliver(host, again: true) == .done)
        #expect(host.http.requests.count == 2)
    }

    @Test("A lost answer that is older than Twitter's own check is left to a person; one that surely wasn't isn't")
    func tooOld() async throws {
        let host = try await TwitterFixture.host(TwitterFixture.account())
        host.http.answer { _ in .fail(.network, sent: false) }
        let refused = try await TwitterFixture.deliver(host)
        #expect(refused.verdict == .retry && !refused.maybeDelivered)
        await host.clock.advance(by: .seconds(12 * 3600))
        host.http.answer { _ in .fail(.timeout, sent: true) }
        #expect(try await TwitterFixture.deliver(host).maybeDelivered)
        await host.clock.advance(by: .seconds(11 * 3600 + 1))
        let old = try await TwitterFixture.deliver(host, again: true)
        #expect(old.verdict == .discard && old.isKept && old.text.contains("requeue"))
        #expect(host.http.requests.count == 2)
    }

    @Test("A limit that lasts longer than that check does no harm: nothing was sent")
    func longLimit() async throws {
        let host = try await TwitterFixture.host(TwitterFixture.account())
        host.http.answer(inTurn: .respond(429), TwitterFixture.posted())
        #expect(try await TwitterFixture.deliver(host).verdict == .defer)
        await host.clock.advance(by: .seconds(20 * 3600))
        #expect(try await TwitterFixture.deliver(host) == .done)
    }

    @Test("A repeat of a known status retweets, in both APIs; of an unknown one it is a status of its own")
    func repeats() async throws {
        let host = try await TwitterFixture.host(TwitterFixture.account())
        #expect(try await TwitterFixture.deliver(host) == .done)
        let repeated = TwitterFixture.notice(
            ("uri", "http://alice.example/notice/43"),
            ("repeat_of", ["uri": .string(TwitterFixture.uri)])
        )
        host.http.answer { _ in .respond(200, body: #"{"data": {"retweeted": true}}"#) }
        #expect(try await TwitterFixture.deliver(host, repeated) == .done)
        #expect(host.http.requests[1].url == "https://api.x.com/2/users/1001/retweets")
        #expect(try TwitterFixture.json(host.http.requests[1]) == ["tweet_id": "900"])

        try await host.reconfigure(config: TwitterFixture.config.merging(["api": "1.1"]) { $1 })
        let imported = TwitterFixture.notice(
            ("uri", "http://alice.example/notice/44"),
            ("repeat_of", ["uri": "https://twitter.com/bob/status/77"])
        )
        host.http.answer { _ in TwitterFixture.error(403, code: 327, "You have already retweeted this Tweet.") }
        #expect(try await TwitterFixture.deliver(host, imported) == .done)
        #expect(host.http.requests[2].url == "https://api.x.com/1.1/statuses/retweet/77.json")

        let unknown = TwitterFixture.notice(
            ("uri", "http://alice.example/notice/45"),
            ("content", "RT @carl hi"),
            ("repeat_of", ["uri": "http://carl.example/1"])
        )
        host.http.answer { _ in .respond(200, body: #"{"id_str": "5"}"#) }
        #expect(try await TwitterFixture.deliver(host, unknown) == .done)
        #expect(TwitterFixture.form(host.http.requests[3])["status"] == "RT @carl hi")
    }

    @Test("Repeats and replies go only for accounts that want them; a reply to a known status always")
    func flags() async throws {
        let host = try await TwitterFixture.host(TwitterFixture.account(options: ["repeats": false]))
        let repeated = TwitterFixture.notice(("repeat_of", ["uri": "https://x.com/bob/status/77"]))
        #expect(try await TwitterFixture.deliver(host, repeated) == .done)
        let reply = TwitterFixture.notice(("content", "@bob hi"))
        #expect(try await TwitterFixture.deliver(host, reply) == .done)
        #expect(host.http.requests.isEmpty)
        let known = TwitterFixture.notice(
            ("content", "@bob hi"),
            ("reply_to", ["uri": "http://twitter.com/bob/status/77"])
        )
        #expect(try await TwitterFixture.deliver(host, known) == .done)
        let json = try TwitterFixture.json(try #require(host.http.requests.first))
        #expect(json["reply"]?["in_reply_to_tweet_id"]?.string == "77")
        host.recipients.add(TwitterFixture.account(options: ["replies": true]))
        let second = TwitterFixture.notice(("content", "@bob ho"), ("uri", "http://alice.example/notice/43"))
        #expect(try await TwitterFixture.deliver(host, second) == .done)
        #expect(host.http.requests.count == 2)
    }

    @Test("A parent that is gone doesn't keep the answer back")
    func missingParent() async throws {
        let host = try await TwitterFixture.host(TwitterFixture.account())
        host.http.answer(inTurn: TwitterFixture.error(403, code: 385), TwitterFixture.posted())
        let reply = TwitterFixture.notice(("reply_to", ["uri": "https://x.com/bob/status/77"]))
        #expect(try await TwitterFixture.deliver(host, reply) == .done)
        #expect(host.http.requests.count == 2)
        #expect(try TwitterFixture.json(host.http.requests[1])["reply"] == nil)
    }

    @Test("A deleted notice's statuses are deleted, a repeat is undone; what isn't there any more is fine")
    func deletions() async throws {
        let host = try await TwitterFixture.host(TwitterFixture.account("1"), TwitterFixture.account("2"))
        for item in await host.expand(TwitterFixture.notice()).staged {
            let id = item.text + "00"
            host.http.answer { _ in TwitterFixture.posted(id) }
            #expect(await host.deliver(item).outcome == .done)
        }
        let frame = FakeItem(queue: "twitter", #"{"delete": "\#(TwitterFixture.uri)"}"#)
        let staged = await host.expand(frame).staged
        #expect(staged.map(\.target) == ["1", "2"] && staged.allSatisfy { $0.queue == "twitterout" })
        host.http.answer(inTurn: .respond(200, body: #"{"data": {"deleted": true}}"#), .respond(404, body: "{}"))
        for item in staged { #expect(await host.deliver(item).outcome == .done) }
        let requests = host.http.requests.suffix(2)
        #expect(requests.map(\.method) == ["DELETE", "DELETE"])
        #expect(requests.map(\.url) == ["https://api.x.com/2/tweets/100", "https://api.x.com/2/tweets/200"])
        #expect(await host.expand(frame).staged.isEmpty)
    }

    @Test("A notice that is deleted while it is being posted: its status is deleted behind the post, or told of")
    func deletionOfWhatIsPosted() async throws {
        let frame = FakeItem(queue: "twitter", #"{"delete": "\#(TwitterFixture.uri)"}"#)
        let host = try await TwitterFixture.host(TwitterFixture.account())
        let post = try #require(await host.expand(TwitterFixture.notice()).staged.first)
        // No answer: the mark stays, without an id.
        host.http.answer(inTurn: .fail(.timeout, sent: true))
        #expect(await host.deliver(post).outcome.verdict == .retry)
        let deletion = try #require(await host.expand(frame).staged.first)
        #expect(deletion.target == post.target)
        let unknown = await host.deliver(deletion).outcome
        #expect(unknown.verdict == .discard && unknown.isKept && unknown.text.contains("look at the account"))
        #expect(host.http.requests.count == 1)
        // The post had an answer after the deletion was staged.
        host.http.answer { _ in TwitterFixture.posted("77") }
        #expect(await host.deliver(post).outcome == .done)
        host.http.answer(inTurn: .respond(200, body: #"{"data": {"deleted": true}}"#))
        #expect(await host.deliver(deletion).outcome == .done)
        #expect(host.http.requests.last?.method == "DELETE")
        #expect(host.http.requests.last?.url == "https://api.x.com/2/tweets/77")
        // It was not carried out at all: nothing is left to do.
        #expect(await host.deliver(deletion).outcome == .done)
        #expect(host.http.requests.count == 3)
    }

    @Test("An account that isn't connected any more, and items that stage 1 can't have made")
    func gone() async throws {
        let host = try await TwitterFixture.host(TwitterFixture.account())
        let item = try #require(await host.expand(TwitterFixture.notice()).staged.first)
        let other = try await TwitterFixture.host()
        let outcome = await other.deliver(item).outcome
        #expect(outcome.verdict == .discard && outcome.reason == .gone && !outcome.isKept)
        for shared in ["", "{}", "[]", #"{"notice": "x", "author": "y"}"#] {
            let bad = FakeItem(queue: "twitterout", payload: Array("1".utf8), shared: Array(shared.utf8))
            #expect(await other.deliver(bad).outcome.reason == .badData, "\(shared)")
        }
        #expect(other.http.requests.isEmpty)
    }

    @Test("An account without credentials, or with a token of an application that isn't set, is held")
    func noCredentials() async throws {
        let row = Recipient(author: TwitterFixture.author, target: "1001")
        let host = try await TwitterFixture.host(row)
        let outcome = try await TwitterFixture.deliver(host)
        #expect(outcome.verdict == .defer && outcome.reason == .auth && host.http.requests.isEmpty)
        #expect(host.metric("twitter_accounts_refused_total") == 1)
        let bare = try await FakeHost(TwitterPlugin.self)
        bare.recipients.add(TwitterFixture.account())
        try await bare.open()
        #expect(try await TwitterFixture.deliver(bare).text.contains("consumer_key"))
        // Connected again: what was held goes out.
        host.recipients.add(TwitterFixture.account())
        #expect(try await TwitterFixture.deliver(host) == .done)
    }

    @Test("Jobs survive the way through the queue", arguments: [nil, "http://a.example/1"])
    func jobs(uri: String?) {
        var post = TwitterJob.Post(text: "\u{1F600}\"\n")
        (post.isReply, post.replyTo, post.repeatOf) = (true, uri, uri)
        (post.latitude, post.longitude) = (1.5, -2)
        let job = TwitterJob(notice: "n", author: "a", .post(post))
        #expect(TwitterJob(job.bytes) == job)
        let deletion = TwitterJob(notice: "n", author: "a", .delete(id: uri == nil ? nil : "7", isRepeat: uri != nil))
        #expect(TwitterJob(deletion.bytes) == deletion)
    }
}
