// SPDX-License-Identifier: Apache-2.0
import Control
import FoundationEssentials
import TestSupport
import Testing

@testable import QueueCtl

@Suite struct StatusViewTests {
    private static func status(ready: Int64, needs: [String] = [], lanesTotal: Int64 = 0) -> JSONValue {
        .object([
            "queues": .array([
                .object([
                    "queue": .string("ombout"), "site": .string("alice"), "ready": .int(ready), "delayed": .int(7),
                    "rate_in": .double(12.5),
                ])
            ]),
            "lanes": .array([.object(["target": .string("http://t/"), "state": .string("open")])]),
            "lanes_total": .int(lanesTotal), "needs": .array(needs.map(JSONValue.string)),
        ])
    }

    private func text(_ status: JSONValue, after previous: JSONValue? = nil) -> String {
        StatusView(status: status, now: .now, previous: previous).rendered(in: .plain)
    }

    @Test("What needs a person comes before the queues, control characters aside")
    func needs() throws {
        let text = text(Self.status(ready: 1, needs: ["17 dead letters\u{1B}[2J: queuectl dead list."]))
        let needs = try #require(text.firstRange(of: "! 17 dead letters"))
        let queues = try #require(text.firstRange(of: "Queues"))
        #expect(needs.lowerBound < queues.lowerBound)
        #expect(!text.contains("\u{1B}"))
        #expect(self.text(Self.status(ready: 1)).contains("Nothing needs a person."))
    }

    @Test("A figure that changed is shown with its change, others without")
    func deltas() {
        let shown = text(Self.status(ready: 1200), after: Self.status(ready: 1188))
        #expect(shown.contains("1,200 (+12)"))
        #expect(shown.contains("7 ") && !shown.contains("7 ("))
        #expect(text(Self.status(ready: 0), after: Self.status(ready: 5)).contains("0 (-5)"))
        #expect(!text(Self.status(ready: 5)).contains("("))
    }

    @Test("More lanes than are listed are counted")
    func manyLanes() {
        #expect(text(Self.status(ready: 0, lanesTotal: 1201)).contains("… 1,200 more, 1,201 in all"))
        #expect(!text(Self.status(ready: 0, lanesTotal: 1)).contains("more"))
    }

    @Test("q and Ctrl-C end a watch, and so does a terminal that is gone")
    func keys() {
        #expect(WatchClock.isQuit([UInt8(ascii: "x"), UInt8(ascii: "q")]))
        #expect(WatchClock.isQuit([3]))
        #expect(WatchClock.isQuit([]))
        #expect(!WatchClock.isQuit([UInt8(ascii: "x"), 26]))
    }

    @Test("On a pipe a watch prints blocks with the time, without a control character, as long as somebody reads")
    func pipe() async throws {
        let hostd = try await FakeHostd { _ in .success(Self.status(ready: 3)) }
        let program = try ProcessRunner.product("queuectl")
        let run = try await ProcessRunner.run(
            "bash",
            [
                "-c", "set -o pipefail; \"$0\" --config \"$1\" status --watch | head -n 20", program,
                hostd.directory.file("hostd.yaml"),
            ]
        )
        #expect(run.exit == .status(0))
        #expect(run.output.firstMatch(of: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n/) != nil)
        #expect(run.output.matches(of: /\n\d{4}-\d\d-\d\dT/).count >= 1)
        #expect(!run.output.contains("\u{1B}"))
        await hostd.stop()
    }

    @Test("On a terminal it hides the cursor and shows it again, q ends it")
    func terminal() async throws {
        let hostd = try await FakeHostd { _ in .success(Self.status(ready: 3)) }
        let program = try ProcessRunner.product("queuectl")
        // script(1) is the terminal; q comes once a picture is there.
        let run = try await ProcessRunner.run(
            "bash",
            [
                "-c",
                """
                (until grep -qs ombout "$2"; do sleep 0.1; done; printf q; sleep 0.2) \\
                    | script -qefc "$0 --config $1 status --watch" "$2"
                """,
                program, hostd.directory.file("hostd.yaml"), hostd.directory.file("picture"),
            ]
        )
        #expect(run.exit == .status(0))
        #expect(run.output.contains("\u{1B}[?25l"))
        #expect(run.output.contains("ombout"))
        #expect(run.output.hasSuffix("\u{1B}[?25h\u{1B}[?1049l"))
        await hostd.stop()
    }
}
