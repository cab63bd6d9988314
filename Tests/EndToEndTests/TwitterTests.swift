// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

extension EndToEnd {
    /// The Twitter plugin in the real daemon, against a receiver that verifies each signature and behaves by script.
    @Suite struct TwitterTests {
        /// A case of the receiver's, how many requests it sees, and what becomes of the item.
        private static let script: [(account: String, requests: Int, state: String)] = [
            ("plain", 1, "delivered"), ("accept-cut", 2, "delivered"), ("accept-html", 2, "delivered"),
            ("html", 2, "delivered"), ("portal", 2, "delivered"), ("limit", 2, "delivered"),
            ("over-capacity", 2, "delivered"), ("internal", 2, "delivered"), ("revoked", 1, "delivered"),
            ("unauthenticated", 1, "parked"), ("expired", 1, "parked"), ("bad-auth", 1, "parked"),
            ("suspended", 1, "parked"), ("robot", 1, "parked"), ("locked", 1, "parked"), ("update-limit", 1, "parked"),
            ("too-long", 1, "dead"), ("no-access", 1, "dead"), ("forbidden", 1, "dead"), ("duplicate", 1, "dead"),
        ]

        /// A line of the table that this suite prints.
        private static func tell(_ account: String, _ lines: [TwitterReceiver.Line], _ outcome: String) {
            print([account, "\(lines.count)", "\(lines.last?.posted ?? 0)", outcome].joined(separator: " | "))
        }

        @Test("Each answer of Twitter's has its outcome, and no status is there twice", arguments: ["2", "1.1"])
        func outcomes(api: String) async throws {
            let receiver = try await TwitterReceiver()
            let installation = try Installation(.init(plugins: ["twitter": receiver.section("api: \"\(api)\"")]))
            try await installation.start()
            try await installation.connect(Self.script.map(\.account))
            try await installation.post(notice: 1)
            var found: [String: JSON] = [:]
            do {
                try await eventually("every account's outcome", within: .seconds(120), every: .milliseconds(200)) {
                    found = try await installation.accounts(ofNotice: 1)
                    return Self.script.allSatisfy { found[$0.account]?["state"].text == $0.state }
                }
            } catch {
                // The checks below name the ones that are missing.
            }
            print("API \(api)\ncase | requests | statuses | outcome")
            for (account, requests, state) in Self.script {
                let lines = try receiver.lines(account)
                let outcome = found[account]?["state"].text ?? "none"
                let text = found[account]?["text"].text ?? ""
                Self.tell(account, lines, "\(outcome) \(text)")
                #expect(outcome == state, "\(account): \(text)")
                #expect(lines.count == requests, "\(account): \(lines)")
                #expect(lines.last?.posted == (state == "delivered" ? 1 : 0), "\(account)")
                for line in lines { #expect(line.isValid, "\(account): \(line.why ?? "")") }
                // A lane that is held used up nobody's attempts.
                if state == "parked" { #expect(found[account]?["attempts"].int == 0, "\(account)") }
            }

            // Halfway an account's token is revoked: what comes from then on is held, with a reason for its user.
            try await installation.post(notice: 2)
            try await eventually("the revoked account's hold", within: .seconds(60), every: .milliseconds(200)) {
                let lanes = try await installation.json("status")["lanes"].list
                return lanes.contains {
                    $0["target"].text == "revoked" && $0["reason"].text?.contains("connect the account again") == true
                }
            }
            let second = try await installation.accounts(ofNotice: 2)
            #expect(second["revoked"]?["state"].text == "parked")
            let revoked = try receiver.lines("revoked")
            #expect(revoked.last?.posted == 1)
            Self.tell("revoked, second notice", revoked, "parked")
            #expect(try await installation.stop() == .status(0))
        }

        @Test("A worker that is killed while Twitter has its post doesn't post it twice")
        func killed() async throws {
            let receiver = try await TwitterReceiver()
            let installation = try Installation(.init(workers: 1, plugins: ["twitter": receiver.section()]))
            try await installation.start()
            try await installation.connect(["accept-hang"])
            try await installation.post(notice: 1)
            try await eventually("the post") { try receiver.lines("accept-hang").count == 1 }
            for pid in installation.processes(role: "worker") { #expect(Glibc.kill(pid, SIGKILL) == 0) }
            try await eventually("its end", within: .seconds(60), every: .milliseconds(100)) {
                try await installation.accounts(ofNotice: 1)["accept-hang"]?["state"].text == "delivered"
            }
            let lines = try receiver.lines("accept-hang")
            #expect(lines.map(\.answer) == ["accept hang", "duplicate"] && lines.last?.posted == 1)
            Self.tell("accept-hang, worker killed", lines, "delivered")
            #expect(try await installation.stop() == .status(0))
        }

        @Test("One delete frame to the queue notice deletes the statuses", arguments: ["2", "1.1"])
        func deletion(api: String) async throws {
            let receiver = try await TwitterReceiver()
            let installation = try Installation(.init(plugins: ["twitter": receiver.section("api: \"\(api)\"")]))
            try await installation.start()
            try await installation.connect(["plain", "other"])
            for id in 1...2 { try await installation.post(notice: id) }
            try await eventually("the posts", within: .seconds(60), every: .milliseconds(100)) {
                let found = try await installation.accounts(ofNotice: 1)
                return ["plain", "other"].allSatisfy { found[$0]?["state"].text == "delivered" }
            }
            try await installation.enqueue("notice", #"{"delete": "\#(Installation.noticeURI(1))"}"#)
            // An account's requests are in order: the second notice is posted by then too.
            try await eventually("the deletions", within: .seconds(60), every: .milliseconds(100)) {
                try ["plain", "other"].allSatisfy { try receiver.lines($0).count == 3 }
            }
            for account in ["plain", "other"] {
                let last = try #require(try receiver.lines(account).last)
                #expect(last.answer == "done" && last.isValid, "\(account): \(last.why ?? "")")
                #expect(api == "2" ? last.method == "DELETE" : last.path.hasPrefix("/1.1/statuses/destroy/"))
            }
            #expect(try await installation.json("dead", "list")["items"].list.isEmpty)
            #expect(try await installation.stop() == .status(0))
        }

        @Test("OAuth 2 tokens are refreshed once each; Twitter's clock is taken where ours is wrong")
        func tokensAndClock() async throws {
            let receiver = try await TwitterReceiver()
            let oauth2 = receiver.section("client_id: client, client_secret: \"client secret\"")
            let installation = try Installation(.init(plugins: ["twitter": oauth2]))
            try installation.writeSite("late", plugins: ["twitter": receiver.section()])
            try await installation.start()
            try await installation.connect(["modern", "refresh-revoked"], isOAuth2: true)
            try await installation.connect(["skewed"], site: "late")
            for id in 1...10 { try await installation.post(notice: id) }
            try await installation.enqueue("notice", Installation.notice(1), site: "late")
            try await eventually("all posts", within: .seconds(60), every: .milliseconds(100)) {
                let isLateDone = try await installation.accounts(ofNotice: 1, site: "late")["skewed"]?["state"].text
                let posted = try receiver.lines("modern").last?.posted
                return posted == 10 && isLateDone == "delivered"
            }
            let modern = try receiver.lines("modern")
            Self.tell("modern, 10 notices", modern, "delivered, token refreshed once")
            Self.tell("skewed", try receiver.lines("skewed"), "delivered")
            #expect(modern.count { $0.path == "/2/oauth2/token" } == 1 && modern.allSatisfy { $0.answer != "spent" })
            #expect(try receiver.lines("skewed").map(\.answer) == ["skew", "accept"])
            try await eventually("the hold of the account that can't be refreshed") {
                let lanes = try await installation.json("status")["lanes"].list
                return lanes.contains {
                    $0["target"].text == "refresh-revoked" && $0["reason"].text?.contains("invalid_request") == true
                }
            }
            Self.tell("refresh-revoked", try receiver.lines("refresh-revoked"), "parked")
            #expect(try await installation.stop() == .status(0))
        }

        @Test("What is imported can be consumed by STOMP, once each", arguments: ["2", "1.1"])
        func imports(api: String) async throws {
            let receiver = try await TwitterReceiver()
            let section = receiver.section("api: \"\(api)\", import: true, import_interval: 15")
            let installation = try Installation(.init(plugins: ["twitter": section]))
            try await installation.start()
            try await installation.connect(["reader"], options: #"{"import": true, "friends": true}"#)
            try await installation.enqueue("twitterimport", "{}")
            let client = try await StompTestClient.connect(port: installation.stompPort)
            try await client.connect()
            for (id, queue) in ["tweetin", "twitterfriends"].enumerated() {
                try await client.send(
                    "SUBSCRIBE",
                    ["id": "\(id)", "destination": "/queue/statusnet/\(queue)", "ack": "auto"]
                )
            }
            var frames: [StompTestClient.Frame] = []
            for _ in 0..<4 { frames.append(try await client.frame(within: .seconds(60))) }
            #expect(frames.allSatisfy { $0["site"] == Installation.site })
            let statuses = try frames.filter { $0["subscription"] == "0" }.map { try JSON.parse($0.text) }
            #expect(statuses.compactMap { $0["id"].text } == ["201", "202", "203"])
            #expect(statuses.first?["text"].text == "status 201" && statuses.first?["user"]["name"].text == "Bob")
            let friend = try JSON.parse(try #require(frames.first { $0["subscription"] == "1" }).text)
            #expect(friend["id"].text == "77" && friend["account"].text == "reader")
            // A second look finds nothing new.
            try await installation.enqueue("twitterimport", "{}")
            try await eventually("the second look", within: .seconds(60)) { try receiver.lines("reader").count >= 4 }
            #expect(client.frames.all.count { $0.command == "MESSAGE" } == 4)
            #expect(try receiver.lines("reader").allSatisfy(\.isValid))
            #expect(try await installation.stop() == .status(0))
        }
    }
}
