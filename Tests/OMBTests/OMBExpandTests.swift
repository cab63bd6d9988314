// SPDX-License-Identifier: Apache-2.0

import PluginKit
import PluginKitTesting
import Testing

@testable import OMB

@Suite struct OMBExpandTests {
    @Test("One item per postNotice URL, however many tokens it has; the shared part once for all")
    func expands() async throws {
        let host = try await OMBFixture.host(
            OMBFixture.subscription("http://b.example/omb"),
            OMBFixture.subscription("http://a.example/omb", "1"),
            OMBFixture.subscription("http://a.example/omb", "2"),
            OMBFixture.subscription("http://u:p@c.example/omb?k=v"),
            Recipient(author: "http://alice.example/user/8", target: "http://d.example/omb")
        )
        let result = await host.expand(OMBFixture.notice())
        #expect(result.outcome == .done)
        #expect(result.staged.map(\.queue) == ["ombout", "ombout", "ombout"])
        #expect(
            result.staged.map(\.text) == [
                "http://a.example/omb", "http://b.example/omb", "http://u:p@c.example/omb?k=v",
            ]
        )
        #expect(
            result.staged.map(\.target) == ["http://a.example/omb", "http://b.example/omb", "http://c.example/omb?k=v"]
        )
        #expect(result.staged.allSatisfy { $0.lane.isEmpty })
        #expect(result.staged[0].dedupeKey == "http://a.example/omb http://alice.example/notice/42")
        #expect(Set(result.staged.map(\.shared)).count == 1)
        let text = String(decoding: result.staged[0].shared, as: UTF8.self)
        #expect(!text.contains("secret") && !text.contains("tok"))
    }

    @Test("Many recipients go in pages of a thousand rows, each target once, with a cursor between them")
    func pages() async throws {
        let host = try await OMBFixture.host()
        host.recipients.add((0..<2500).map { OMBFixture.subscription("http://h\($0 / 2).example/omb", "\($0 % 2)") })
        let first = await host.deliver(OMBFixture.notice())
        #expect(first.outcome.verdict == .continue && first.staged.count == 500 && !first.outcome.cursor.isEmpty)
        let all = await host.expand(OMBFixture.notice())
        #expect(all.outcome == .done && all.staged.count == 1250 && Set(all.staged.map(\.target)).count == 1250)
    }

    @Test(
        "Only notices of this site go to remote targets",
        arguments: [(1 as JSON, 1), (-1, 1), (-2, 0), (0, 0), (true, 1), (false, 0)]
    )
    func locality(value: JSON, count: Int) async throws {
        let host = try await OMBFixture.host(OMBFixture.subscription("http://a.example/omb"))
        let result = await host.expand(OMBFixture.notice(("is_local", value)))
        #expect(result.outcome == .done && result.staged.count == count)
    }

    @Test("A notice's own recipients are taken in place of the directory's, also where they aren't in order")
    func ownRecipients() async throws {
        let host = try await OMBFixture.host(OMBFixture.subscription("http://a.example/omb"))
        var item = OMBFixture.notice()
        item.recipients = ["x", "y", "x"].map { OMBFixture.subscription("http://\($0).example/omb", token: $0) }
        let staged = await host.expand(item).staged
        #expect(staged.map(\.text) == ["http://x.example/omb", "http://y.example/omb", "http://x.example/omb"])
        #expect(Set(staged.map(\.dedupeKey)).count == 2)
        var second = try #require(staged.first)
        second.recipients = item.recipients
        #expect(await host.deliver(second).outcome == .done)
        #expect(OMBFixture.fields(host.http.requests[0]).first { $0.name == "oauth_token" }?.value == "x")
    }

    @Test("A frame that can't be understood is a dead letter that names the member")
    func badFrame() async throws {
        let host = try await OMBFixture.host()
        for (frame, sentence) in [
            ("nonsense", "not JSON: at byte 0: a value is expected"),
            (#"{"uri": "u", "author": {"uri": "a"}}"#, "member \"content\": is missing"),
        ] {
            let outcome = await host.deliver(FakeItem(queue: "omb", frame)).outcome
            #expect(outcome == .discard(.badData, sentence, keep: true))
        }
        let long = await host.deliver(FakeItem(queue: "omb", payload: Array(repeating: 0x20, count: 1 << 20 + 1)))
            .outcome
        #expect(long.reason == .badData && long.isKept && long.text.contains("at most 1048576"))
        let profile = await host.deliver(FakeItem(queue: "profile", #"{"author": {"nickname": "a"}}"#)).outcome
        #expect(profile == .discard(.badData, "member \"author.uri\": is missing", keep: true))
    }

    @Test("An ActivityStreams note goes out too")
    func activityStreams() async throws {
        let host = try await OMBFixture.host(OMBFixture.subscription("http://a.example/omb"))
        let frame = """
            {"type": "Create", "actor": "\(OMBFixture.author)", "object": {"type": "Note", "id": "http://alice.example/n/1",
             "content": "<p>Hi &amp; bye</p>"}}
            """
        let staged = await host.expand(FakeItem(queue: "omb", frame)).staged
        #expect(await host.deliver(try #require(staged.first)).outcome == .done)
        let fields = OMBFixture.fields(try #require(host.http.requests.first))
        #expect(fields.first { $0.name == "omb_notice_content" }?.value == "Hi & bye")
        #expect(!fields.contains { $0.name == "omb_notice_license" || $0.name == "omb_notice_url" })
    }

    @Test("Profiles go to updateProfile URLs, keyed by their content; who names none gets none")
    func profiles() async throws {
        let host = try await OMBFixture.host(
            OMBFixture.subscription("http://a.example/omb", options: ["updateprofile": "http://a.example/up"]),
            OMBFixture.subscription("http://b.example/omb", options: ["update_profile_url": "http://b.example/up"]),
            OMBFixture.subscription("http://c.example/omb")
        )
        let frame = """
            {"author": {"uri": "\(OMBFixture.author)", "nickname": "alice", "bio": "b&c", "profile_url": "http://alice.example/alice"}}
            """
        let staged = await host.expand(FakeItem(queue: "profile", frame)).staged
        #expect(staged.map(\.queue) == ["profileout", "profileout"])
        #expect(staged.map(\.target) == ["http://a.example/up", "http://b.example/up"])
        let changed = await host.expand(FakeItem(queue: "profile", frame.replacing("b&c", with: "b"))).staged
        let again = await host.expand(FakeItem(queue: "profile", frame)).staged
        #expect(
            again.map(\.dedupeKey) == staged.map(\.dedupeKey) && changed.map(\.dedupeKey) != staged.map(\.dedupeKey)
        )
        #expect(await host.deliver(staged[1]).outcome == .done)
        let request = try #require(host.http.requests.first)
        #expect(request.url == "http://b.example/up")
        let fields = OMBFixture.fields(request).filter { $0.name.hasPrefix("omb_") }
        #expect(
            fields.map { "\($0.name)=\($0.value)" } == [
                "omb_listenee=\(OMBFixture.author)", "omb_listenee_avatar=", "omb_listenee_bio=b&c",
                "omb_listenee_fullname=",
                "omb_listenee_homepage=", "omb_listenee_license=", "omb_listenee_location=",
                "omb_listenee_nickname=alice",
                "omb_listenee_profile=http://alice.example/alice",
                "omb_version=http://openmicroblogging.org/protocol/0.1",
            ]
        )
    }
}
