// SPDX-License-Identifier: Apache-2.0

import PluginKit
import PluginKitTesting
import Testing

@testable import Twitter

@Suite struct TwitterExpandTests {
    @Test("One item per account of the author, with the text made once and no secret in it")
    func expands() async throws {
        let host = try await TwitterFixture.host(
            TwitterFixture.account("1"),
            TwitterFixture.account("2"),
            TwitterFixture.account("3", options: ["send": false]),
            Recipient(author: "http://alice.example/user/8", target: "4")
        )
        let result = await host.expand(
            TwitterFixture.notice(("content", .string("!a " + String(repeating: "\u{1F600}", count: 10_000))))
        )
        #expect(result.outcome == .done)
        #expect(result.staged.map(\.target) == ["1", "2"] && result.staged.map(\.text) == ["1", "2"])
        #expect(result.staged.map(\.dedupeKey) == ["1 \(TwitterFixture.uri)", "2 \(TwitterFixture.uri)"])
        #expect(Set(result.staged.map(\.shared)).count == 1)
        let job = try #require(TwitterJob(result.staged[0].shared))
        guard case .post(let post) = job.action else {
            Issue.record("not a post: \(job)")
            return
        }
        #expect(
            post.text.hasPrefix("#a \u{1F600}") && post.text.hasSuffix("\u{1F600} \u{2026} http://alice.example/n/42")
        )
        #expect(WeightedText(post.text).weight <= 280)
        #expect(!String(decoding: result.staged[0].shared, as: UTF8.self).contains("secret"))
    }

    @Test(
        "Only notices of this site go there, and none that came from there",
        arguments: [
            ("is_local", 1 as JSON, 1), ("is_local", -1, 1), ("is_local", -2, 0), ("is_local", 0, 0),
            ("source", "twitter", 0), ("source", "Twitter", 0),
        ]
    )
    func who(member: String, value: JSON, count: Int) async throws {
        let host = try await TwitterFixture.host(TwitterFixture.account())
        #expect(await host.expand(TwitterFixture.notice((member, value))).staged.count == count)
    }

    @Test("Many accounts go in pages; a frame that is none is a dead letter that says why")
    func pagesAndBadFrames() async throws {
        let host = try await TwitterFixture.host()
        host.recipients.add((0..<1200).map { TwitterFixture.account("\($0)") })
        let all = await host.expand(TwitterFixture.notice())
        #expect(all.outcome == .done && Set(all.staged.map(\.target)).count == 1200)
        for frame in ["<html>", "[]", #"{"uri": "x"}"#] {
            let outcome = await host.deliver(FakeItem(queue: "twitter", frame)).outcome
            #expect(outcome.reason == .badData && outcome.isKept, "\(frame)")
        }
        #expect(
            await host.expand(FakeItem(queue: "twitter", #"{"delete": "http://nobody.example/1"}"#)).outcome == .done
        )
    }

    @Test(
        "A wrong setting is refused with its name",
        arguments: [
            (["api": "3"], "api: expected"), (["timeout": "0"], "timeout: expected 1 to 60"),
            (["base_url": "x"], "base_url:"),
            (["base_url": "https://a/?b"], "base_url:"), (["consumer_secret": ""], "consumer_key and consumer_secret"),
            (["import_interval": "1"], "import_interval:"), (["token_url": "ftp://a"], "token_url:"),
        ]
    )
    func settings(change: [String: String], text: String) async throws {
        let host = try await FakeHost(TwitterPlugin.self)
        await #expect { try await host.open(config: TwitterFixture.config.merging(change) { $1 }) } throws: {
            "\($0)".hasPrefix(text)
        }
    }

    @Test("Only URIs of statuses are taken for statuses")
    func importedIDs() {
        #expect(StatusMap.importedID("https://twitter.com/a_b/status/12") == "12")
        #expect(StatusMap.importedID("http://x.com/a/statuses/12") == "12")
        for uri in [
            "https://twitter.com/a/status/", "https://twitter.com/a/status/1x", "https://evil.example/a/status/1",
            "https://twitter.com/a/status/1/2", "tag:twitter.com/a/status/1", "",
        ] {
            #expect(StatusMap.importedID(uri) == nil, "\(uri)")
        }
    }

    @Test("The note in the file says who the plugin is; a host that lacks a service is refused")
    func identity() async throws {
        #expect(TwitterPlugin.identity.id == "org.hostd.twitter" && TwitterPlugin.identity.version == "0.1.0")
        for service in [Host.Service.http, .recipients, .values, .loop] {
            await #expect(throws: FakeHost.Refusal.self) { try await FakeHost(TwitterPlugin.self, lacking: [service]) }
        }
    }
}
