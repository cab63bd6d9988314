// SPDX-License-Identifier: Apache-2.0

import PluginKit
import PluginKitTesting
import TestSupport
import Testing

@testable import Twitter

@Suite struct ImportTests {
    private static let importing: JSON = ["import": true]
    private static let following: JSON = ["friends": true]

    private func host(_ options: JSON, _ config: [String: String] = ["import": "true"]) async throws -> FakeHost {
        try await TwitterFixture.host(TwitterFixture.account(options: options), config: config)
    }

    private static func timeline(_ ids: [Int], next: String? = nil) -> FakeHTTP.Answer {
        let data = ids.map { #"{"id": "\#($0)", "text": "t\#($0)", "author_id": "\#($0 % 2)", "created_at": "c"}"# }
        let token = next.map { #", "next_token": "\#($0)""# } ?? ""
        let users = #"[{"id": "0", "username": "zero"}, {"id": "1", "username": "one"}]"#
        return .respond(
            200,
            body:
                #"{"data": [\#(data.joined(separator: ","))], "includes": {"users": \#(users)}, "meta": {"x": 1\#(token)}}"#
        )
    }

    /// Asks for a look at once.
    private func look(_ host: FakeHost) async -> Outcome {
        await host.deliver(FakeItem(queue: "twitterimport", #"{"account": "1001"}"#)).outcome
    }

    private func ids(_ host: FakeHost, _ queue: String = "tweetin") throws -> [String] {
        try host.enqueued.filter { $0.queue == queue }.compactMap { try JSON(parsing: $0.payload)["id"]?.string }
    }

    @Test("New statuses are items of tweetin, oldest first, with who wrote them; the newest id is kept")
    func statuses() async throws {
        let host = try await host(Self.importing)
        host.http.answer(
            inTurn: Self.timeline([12, 11, 9], next: "p"),
            Self.timeline([101, 100, 99], next: "p2"),
            Self.timeline([98])
        )
        #expect(await look(host) == .done)
        #expect(try ids(host) == ["9", "11", "12"])
        let item = try #require(host.enqueued.first)
        #expect(item.dedupeKey == "alice 1001 9")
        let frame = try JSON(parsing: item.payload)
        #expect(
            frame["site"] == "alice" && frame["account"] == "1001" && frame["text"] == "t9" && frame["created"] == "c"
        )
        #expect(frame["user"]?["username"] == "one" && frame["raw"]?["author_id"] == "1")
        // The first look takes one page only, the next ones all that is new.
        #expect(host.http.requests.count == 1 && !host.http.requests[0].url.contains("since_id"))
        #expect(await look(host) == .done)
        #expect(try ids(host) == ["9", "11", "12", "98", "99", "100", "101"])
        #expect(
            host.http.requests[1].url.contains("since_id=12")
                && host.http.requests[2].url.contains("pagination_token=p2")
        )
        #expect(host.metric("twitter_imported_total") == 7)
        host.http.answer { _ in .respond(200, body: #"{"meta": {"result_count": 0}}"#) }
        #expect(await look(host) == .done)
        #expect(host.enqueued.count == 7 && host.http.requests.last?.url.contains("since_id=101") == true)
    }

    @Test("v1.1: pages by max_id; protected users, the site's own application and own statuses aren't imported")
    func filters() async throws {
        let host = try await host(Self.importing, ["import": "true", "api": "1.1", "application": "MySite"])
        host.http.answer { _ in .respond(200, body: #"{"id_str": "7"}"#) }
        #expect(try await TwitterFixture.deliver(host) == .done)
        let list = """
            [{"id_str": "10", "full_text": "x", "user": {"protected": true}}, {"id_str": "9", "full_text": "cut",
            "retweeted_status": {"full_text": "whole", "user": {"screen_name": "bob"}}, "user": {"id_str": "5"}},
            {"id_str": "8", "text": "y", "source": "<a href='http://mysite'>mysite 2</a>"}, {"id_str": "7", "text": "own"},
            {"id": 6, "text": "old"}, {"nothing": 1}]
            """
        host.http.answer { _ in .respond(200, body: list) }
        #expect(await look(host) == .done)
        #expect(try ids(host) == ["6", "9"])
        #expect(try JSON(parsing: try #require(host.enqueued.last).payload)["text"] == "RT @bob whole")
        host.http.answer(inTurn: .respond(200, body: list), .respond(200, body: "[]"))
        #expect(await look(host) == .done)
        #expect(host.http.requests.last?.url.contains("max_id=5") == true)
    }

    @Test("Each follow that wasn't there before is an item of twitterfriends", arguments: ["2", "1.1"])
    func friends(api: String) async throws {
        let host = try await host(Self.following, ["import": "true", "api": api])
        let (list, id, name) = api == "2" ? ("data", "id", "username") : ("users", "id_str", "screen_name")
        func page(_ ids: [Int], _ next: String) -> FakeHTTP.Answer {
            let users = ids.map { #"{"\#(id)": "\#($0)", "\#(name)": "n\#($0)", "name": "N"}"# }.joined(separator: ",")
            let cursor =
                api == "2"
                ? #""meta": {\#(next.isEmpty ? "" : #""next_token": "\#(next)""#)}"#
                : #""next_cursor_str": "\#(next.isEmpty ? "0" : next)""#
            return .respond(200, body: #"{"\#(list)": [\#(users)], \#(cursor)}"#)
        }
        host.http.answer(inTurn: page([3, 2], "more"), page([1], ""), page([4, 3, 2, 1], ""))
        #expect(await look(host) == .done)
        #expect(try ids(host, "twitterfriends") == ["3", "2", "1"] && host.http.requests.count == 2)
        let frame = try JSON(parsing: try #require(host.enqueued.first).payload)
        #expect(
            frame["nickname"] == "n3" && frame["name"] == "N" && frame["account"] == "1001" && frame["site"] == "alice"
        )
        #expect(await look(host) == .done)
        #expect(try ids(host, "twitterfriends") == ["3", "2", "1", "4"])
    }

    @Test("The timer looks at accounts that ask for it, in the one worker that imports, and rests as the headers say")
    func timer() async throws {
        let host = try await host(Self.importing)
        let rest = ["x-rate-limit-remaining": "0", "x-rate-limit-reset": "\(host.clock.now.seconds + 1000)"]
        host.http.answer(
            inTurn: .respond(200, headers: rest, body: #"{"meta": {"result_count": 0}}"#),
            Self.timeline([5])
        )
        await host.clock.advance(by: .seconds(5))
        try await eventually("the first look") { host.http.requests.count == 1 }
        try await settled(host)
        await host.clock.advance(by: .seconds(900))
        try await settled(host)
        #expect(host.http.requests.count == 1)
        await host.clock.advance(by: .seconds(120))
        try await eventually("the second look") { host.enqueued.count == 1 }

        let other = try await FakeHost(TwitterPlugin.self)
        other.recipients.add(TwitterFixture.account(options: Self.importing))
        try await other.open(
            config: TwitterFixture.config.merging(["import": "true"]) { $1 },
            queues: ["twitter", "twitterout"]
        )
        #expect(other.clock.timerCount == 0)
        await host.drain()
        #expect(host.clock.timerCount == 0)
        await host.close()
    }

    @Test("Nothing is imported by itself unless the site and the account ask for it")
    func off() async throws {
        for host in [try await host(Self.importing, [:]), try await host([:])] {
            await host.clock.advance(by: .seconds(300))
            try await settled(host)
            #expect(host.http.requests.isEmpty)
        }
    }

    @Test("HTML, a refused token or a limit end a look without an item", arguments: [200, 401, 404, 429, 500])
    func failures(status: Int) async throws {
        let host = try await host(Self.importing)
        host.http.answer { _ in .respond(status, body: "<html>") }
        #expect(await look(host) == .done)
        #expect(host.enqueued.isEmpty && host.http.requests.count == 1)
        #expect(await host.deliver(FakeItem(queue: "twitterimport", "<html>")).outcome.reason == .badData)
        #expect(await host.deliver(FakeItem(queue: "twitterimport", "")).outcome == .done)
        #expect(host.http.requests.count == 2)
    }

    /// Waits until a round that was started, if any, is over: only the timer's operation is left.
    private func settled(_ host: FakeHost) async throws {
        try await eventually("the round's end") { host.operationCount == 1 }
    }
}

@Suite struct ImportScheduleTests {
    private func time(_ seconds: Int64) -> UnixTime { UnixTime(milliseconds: seconds * 1000) }
    private let row = Recipient(author: "a", target: "1", options: ["import": true, "friends": true], version: 1)

    @Test("Each look comes after its interval, later after failures, at once when the account was connected anew")
    func looks() throws {
        var schedule = ImportSchedule()
        #expect(schedule.isListDue(now: time(0)))
        schedule.update([row], now: time(0), every: .seconds(60))
        #expect(!schedule.isListDue(now: time(59)) && schedule.isListDue(now: time(60)))
        let first = try #require(schedule.next(now: time(0)))
        schedule.end(first, .done, now: time(0), interval: .seconds(60))
        let second = try #require(schedule.next(now: time(0)))
        #expect(first.kind != second.kind)
        schedule.end(second, .rest(.seconds(500)), now: time(0), interval: .seconds(60))
        #expect(schedule.next(now: time(59)) == nil && schedule.next(now: time(60))?.kind == first.kind)
        var now: Int64 = 60
        for wait in [120, 240, 480] as [Int64] {
            schedule.end(first, .failed, now: time(now), interval: .seconds(60))
            schedule.end(second, .rest(.seconds(100_000)), now: time(now), interval: .seconds(60))
            #expect(schedule.next(now: time(now + wait - 1)) == nil)
            now += wait
            #expect(schedule.next(now: time(now)) != nil)
        }
        for _ in 0..<30 { schedule.end(first, .failed, now: time(now), interval: .seconds(60)) }
        #expect(schedule.next(now: time(now + 3600)) != nil)
        schedule.end(first, .failed, now: time(now), interval: .seconds(60))
        schedule.update(
            [Recipient(author: "a", target: "1", options: ["import": true], version: 2)],
            now: time(now),
            every: .seconds(60)
        )
        #expect(schedule.next(now: time(now))?.kind == .statuses)
        schedule.update([], now: time(now), every: .seconds(60))
        #expect(schedule.next(now: time(now + 100_000)) == nil)
    }
}
