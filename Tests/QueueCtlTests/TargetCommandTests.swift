// SPDX-License-Identifier: Apache-2.0
import Control
import FoundationEssentials
import TestSupport
import Testing

@testable import QueueCtl

@Suite struct TargetCommandTests {
    private static let url = "http://t/"

    @Test("Each verb asks the broker for its command, with what was given")
    func verbs() async throws {
        let hostd = try await FakeHostd { _ in
            .success(.object(["target": .string(Self.url), "count": .int(1234), "waiting": .int(3), "lanes": .int(1)]))
        }
        #expect(try await hostd.queuectl("target", Self.url).output.contains("Nothing waits for it."))
        #expect(
            try await hostd.queuectl("target", Self.url, "retry-now", "-s", "alice").output == "3 waiting: tried now"
        )
        let replay = try await hostd.queuectl(
            "target",
            Self.url,
            "replay",
            "--since",
            "2026-11-24T10:00:00Z",
            "-q",
            "ombout",
            "--dry-run"
        )
        #expect(replay.output == "1,234 would be sent again")
        #expect(
            try await hostd.queuectl("target", "*.example", "block", "--drop").output.contains("*.example: blocked")
        )
        #expect(try await hostd.queuectl("target", "*.example", "unblock").output == "*.example: unblocked")
        #expect(
            hostd.requests.all.map(\.command) == [
                "target.show", "target.retry", "target.replay", "target.block", "target.unblock",
            ]
        )
        let all = hostd.requests.all.map(\.arguments)
        #expect(all.first == ["target": .string(Self.url)])
        #expect(all[1] == ["target": .string(Self.url), "site": .string("alice")])
        #expect(
            all[2] == [
                "target": .string(Self.url), "queue": .string("ombout"), "dry_run": .bool(true),
                "since_ms": .int(1_795_514_400_000),
            ]
        )
        #expect(all[3] == ["target": .string("*.example"), "drop": .bool(true)])
        await hostd.stop()
    }

    @Test("show tells lanes, last delivery and last failure; JSON is what hostd says")
    func show() async throws {
        let answer: JSONValue = .object([
            "target": .string(Self.url), "last_delivered": .string("2026-11-24T10:00:00Z"),
            "last_failure": .object(["time": .string("2026-11-24T11:00:00Z"), "reason": .string("HTTP 503\u{1B}[2J")]),
            "lanes": .array([
                .object([
                    "site": .string("alice"), "queue": .string("ombout"), "state": .string("blocked"),
                    "waiting": .int(1204), "reason": .string("blocked by operator"),
                ])
            ]),
        ])
        let hostd = try await FakeHostd { _ in .success(answer) }
        let text = try await hostd.queuectl("target", Self.url, "show").output
        for part in ["last delivered", "HTTP 503", "1,204", "blocked by operator"] { #expect(text.contains(part)) }
        #expect(!text.contains("\u{1B}"))
        let json = try await hostd.queuectl("target", Self.url, "show", "--json").output
        #expect(try JSONDecoder().decode(JSONValue.self, from: Data(json.utf8)) == answer)
        await hostd.stop()
    }

    @Test("blocks lists what is blocked")
    func blocks() async throws {
        let hostd = try await FakeHostd { _ in
            .success(
                .object(["blocks": .array([.object(["pattern": .string("*.example"), "site": .string("alice")])])])
            )
        }
        #expect(try await hostd.queuectl("target", "blocks").output.contains("*.example  alice"))
        #expect(hostd.requests.all.map(\.command) == ["target.blocks"])
        await hostd.stop()
    }

    @Test(
        "What makes no sense together is a usage error",
        arguments: [
            [url, "replay"], [url, "show", "--since", "2h"], [url, "unblock", "--drop"], [url, "nonsense"],
            [url, "replay", "--since", "yesterday"], [],
        ]
    )
    func usage(arguments: [String]) async throws {
        let directory = try FakeHostd.stateDirectory()
        #expect(try await FakeHostd.queuectl(in: directory, ["target"] + arguments).status == 2)
    }

    @Test("A time is so long ago, or RFC 3339")
    func past() {
        let now = Date(timeIntervalSince1970: 1_000_000)
        let past: Int64 = 1_000_000_000 - 7_200_000
        #expect(PastArgument("2h", now: now)?.milliseconds == past)
        #expect(PastArgument("2026-11-24T10:00:00Z", now: now)?.milliseconds == 1_795_514_400_000)
        #expect(PastArgument("soon", now: now) == nil)
    }

    @Test("What couldn't be replayed is told with why")
    func replayed() {
        let reply: JSONValue = .object(["count": .int(5), "frame_gone": .int(2), "refused": .int(1)])
        let view = TargetView(reply: reply, now: .now)
        #expect(
            view.replayed(isDryRun: false)
                == "5 sent again, 2 can't be: their frame is gone, 1 can't be: their site or plugin is gone"
        )
    }
}
