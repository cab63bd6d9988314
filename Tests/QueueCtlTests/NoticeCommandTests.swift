// SPDX-License-Identifier: Apache-2.0
import Control
import FoundationEssentials
import Testing
import TestSupport

@Suite struct NoticeCommandTests {
    private static func item(_ number: Int64) -> JSONValue {
        .object(["queue": .string("ombout"), "target": .string("http://t\(number)/"), "state": .string("waiting")])
    }

    private static func notice(site: String, items: [JSONValue], next: JSONValue) -> JSONValue {
        .object([
            "notice": .string("42"), "site": .string(site), "items": .array(items), "next": next,
            "targets": .object(["delivered": .int(9), "waiting": .int(3), "retrying": .int(0), "dead": .int(0)]),
        ])
    }

    /// bob's has one page, alice's has three.
    private static func answer(_ request: ControlRequest) -> Result<JSONValue, FakeHostd.Refusal> {
        let site = request.arguments["site"]?.string
        let after = request.arguments["after"]?.int ?? 0
        let alice = notice(site: "alice", items: [item(after + 1)], next: after < 2 ? .int(after + 1) : .null)
        let bob = notice(site: "bob", items: [item(100)], next: .null)
        let all = ["alice": [alice], "bob": [bob]][site ?? ""] ?? (site == nil ? [alice, bob] : [])
        return .success(.object(["notices": .array(all)]))
    }

    private static func targets(_ notice: JSONValue?) -> [String]? {
        notice?["items"]?.array?.compactMap { $0["target"]?.string }
    }

    @Test("A notice is an object whose items are all pages'")
    func one() async throws {
        let hostd = try await FakeHostd { Self.answer($0) }
        let run = try await hostd.queuectl("notice", "42", "-s", "alice", "--json")
        let document = try JSONDecoder().decode(JSONValue.self, from: Data(run.output.utf8))
        #expect(Self.targets(document) == ["http://t1/", "http://t2/", "http://t3/"])
        #expect(document["targets"]?["delivered"] == .int(9))
        #expect(document["next"] == nil)
        await hostd.stop()
    }

    @Test("Where several sites have it, the document lists them")
    func several() async throws {
        let hostd = try await FakeHostd { Self.answer($0) }
        let run = try await hostd.queuectl("notice", "42", "--json")
        let document = try JSONDecoder().decode(JSONValue.self, from: Data(run.output.utf8))
        let notices = try #require(document["notices"]?.array)
        #expect(notices.map { $0["site"]?.string } == ["alice", "bob"])
        #expect(Self.targets(notices.first)?.count == 3)
        let text = try await hostd.queuectl("notice", "42")
        #expect(text.output.contains("Notice 42 of bob\n9 delivered · 3 waiting · 0 retrying · 0 dead"))
        #expect(text.output.contains("http://t3/"))
        await hostd.stop()
    }

    @Test("People see what isn't delivered, with the reason's word and sentence; --all shows the rest")
    func undelivered() async throws {
        let items: [JSONValue] = [
            .object(["target": .string("http://done/"), "state": .string("delivered")]),
            .object([
                "target": .string("http://gone/"), "state": .string("dead"), "reason": .string("gone"),
                "text": .string("HTTP 410"),
            ]),
        ]
        let hostd = try await FakeHostd { _ in
            .success(.object(["notices": .array([Self.notice(site: "alice", items: items, next: .null)])]))
        }
        let some = try await hostd.queuectl("notice", "42").output
        #expect(some.contains("gone: HTTP 410") && !some.contains("http://done/"))
        #expect(try await hostd.queuectl("notice", "42", "--all").output.contains("http://done/"))
        await hostd.stop()
    }

    @Test("A notice that nobody knows is a failure")
    func unknown() async throws {
        let hostd = try await FakeHostd { Self.answer($0) }
        let run = try await hostd.queuectl("notice", "42", "-s", "carol")
        #expect(run.status == 1)
        #expect(run.errors.contains("nothing is known of notice 42"))
        await hostd.stop()
    }
}
