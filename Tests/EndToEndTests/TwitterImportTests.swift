// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

extension EndToEnd {
    /// The Twitter plugin over workers and restarts: tokens, how far it has imported; and the longest of notices.
    @Suite struct TwitterImportTests {
        private static func consumer(_ installation: Installation) async throws -> StompTestClient {
            let client = try await StompTestClient.connect(port: installation.stompPort)
            try await client.connect()
            try await client.send(
                "SUBSCRIBE",
                ["id": "1", "destination": "/queue/statusnet/tweetin", "ack": "auto"]
            )
            return client
        }

        private static func ids(_ client: StompTestClient) -> [String] {
            client.frames.all.filter { $0.command == "MESSAGE" }.compactMap { try? JSON.parse($0.text)["id"].text }
        }

        @Test(
            "An import goes on after a restart where it was: nothing twice, nothing of this site's own",
            arguments: ["2", "1.1"]
        )
        func restart(api: String) async throws {
            let receiver = try await TwitterReceiver()
            let section = receiver.section("api: \"\(api)\", import: true, import_interval: 3600")
            let installation = try Installation(.init(plugins: ["twitter": section]))
            try await installation.start()
            try await installation.connect(["reader"], options: #"{"import": true}"#)
            // Its status is 1000, Bob's answer 1001: both are in the timeline.
            try await installation.post(notice: 1)
            try await installation.delivered(1, ofNotice: 1)
            var client = try await Self.consumer(installation)
            try await installation.enqueue("twitterimport", "{}")
            try await eventually("four statuses", within: .seconds(60)) { Self.ids(client).count >= 4 }
            #expect(Self.ids(client) == ["201", "202", "203", "1001"])
            #expect(try await installation.stop() == .status(0))

            try await installation.start()
            client = try await Self.consumer(installation)
            let looks = try receiver.lines("reader").count
            try await installation.enqueue("twitterimport", "{}")
            try await eventually("a look", within: .seconds(60)) { try receiver.lines("reader").count > looks }
            #expect(try receiver.lines("reader")[looks].since == "1001")
            // What is new from then on comes, and is the first that comes.
            try await installation.post(notice: 2)
            try await installation.delivered(1, ofNotice: 2)
            try await installation.enqueue("twitterimport", "{}")
            try await eventually("the new status", within: .seconds(60)) { !Self.ids(client).isEmpty }
            #expect(Self.ids(client) == ["2001"])
            #expect(try receiver.lines("reader").allSatisfy(\.isValid))
            #expect(try await installation.stop() == .status(0))
        }

        @Test("Workers that post and import at once never spend one refresh token twice")
        func oneRefresh() async throws {
            let receiver = try await TwitterReceiver()
            let section = receiver.section(
                "client_id: client, client_secret: \"client secret\", import: true, import_interval: 3600"
            )
            let installation = try Installation(.init(workers: 3, plugins: ["twitter": section]))
            try await installation.start()
            let accounts = (0..<8).map { "slow-\($0)" }
            try await installation.connect(accounts, isOAuth2: true, options: #"{"import": true}"#)
            // No account's first token is good: whoever is first refreshes it, while the others want to.
            try await installation.enqueue("twitterimport", "{}")
            try await installation.post(notice: 1)
            try await installation.post(notice: 2)
            for notice in 1...2 { try await installation.delivered(accounts.count, ofNotice: notice) }
            try await installation.enqueue("twitterimport", "{}")
            try await eventually("a look for each", within: .seconds(60), every: .milliseconds(100)) {
                let looks = try receiver.lines().filter { $0.answer == "list" }
                return Set(looks.map(\.account)).count == accounts.count
            }
            for account in accounts {
                let lines = try receiver.lines(account)
                #expect(lines.count { $0.path == "/2/oauth2/token" } == 1, "\(account): \(lines)")
                #expect(lines.allSatisfy { $0.answer != "spent" } && lines.last?.posted == 2, "\(account): \(lines)")
            }
            #expect(try await installation.json("dead", "list") == .list([]))
            #expect(try await installation.stop() == .status(0))
        }

        @Test("A notice of 10,000 emoji is posted cut at a whole one, with the notice's URL", arguments: ["2", "1.1"])
        func manyEmoji(api: String) async throws {
            let receiver = try await TwitterReceiver()
            let installation = try Installation(.init(plugins: ["twitter": receiver.section("api: \"\(api)\"")]))
            try await installation.start()
            try await installation.connect(["plain"])
            let family = "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}"
            let link = "http://demo.example.com/1"
            let notice = Installation.notice(1)
                .replacing(
                    "Gr\u{FC}\u{DF}e, #1!\", \"rendered",
                    with: String(repeating: family, count: 10_000) + "\", \"rendered"
                )
                .replacing("\"url\": \"\(Installation.noticeURI(1))\"", with: "\"url\": \"\(link)\"")
            try await installation.enqueue("notice", notice)
            try await installation.delivered(1, ofNotice: 1)
            let line = try #require(try receiver.lines("plain").first)
            // 280 less a URL (23), the ellipsis (2) and its two spaces, at 2 a family.
            let whole = String(repeating: family, count: (280 - 23 - 4) / 2)
            #expect(line.isValid && line.text == "\(whole) \u{2026} \(link)")
            #expect(try await installation.stop() == .status(0))
        }
    }
}
