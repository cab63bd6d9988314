// SPDX-License-Identifier: Apache-2.0
import Control
import FoundationEssentials
import Testing

@testable import Console

@Suite struct StatusPageTests {
    private let now = Date(timeIntervalSince1970: 1_795_600_800)

    private func page(status: [String: JSONValue] = [:], plugins: [JSONValue] = [], sites: [JSONValue] = []) -> String {
        let snapshot = Snapshot(status: .object(status), plugins: .array(plugins), sites: .array(sites))
        return StatusPage(snapshot: snapshot, now: now).html(nonce: "abc").text
    }

    @Test("What is interpolated into HTML is escaped once, HTML itself isn't")
    func escaping() {
        let inner: HTML = "<b>\("<i> & \"'")</b>"
        #expect(inner.text == "<b>&lt;i&gt; &amp; &quot;&#39;</b>")
        #expect(("<p>\(inner)</p>" as HTML).text == "<p>" + inner.text + "</p>")
    }

    @Test("Hostile text in any member comes out as text")
    func hostile() {
        let evil = JSONValue.string("\"><script>alert('1')</script>")
        let row: JSONValue = .object(
            Dictionary(
                uniqueKeysWithValues: [
                    "queue", "group", "site", "target", "state", "reason", "role", "plugin", "file", "id", "version",
                    "nickname", "server", "error", "next_attempt",
                ].map { ($0, evil) }
            ).merging(["queues": .array([evil]), "plugins": .array([evil])]) { $1 }
        )
        let page = page(
            status: [
                "hostd": .object(["version": evil]), "queues": .array([row]), "lanes": .array([row]),
                "processes": .array([row]), "needs": .array([evil]), "blocks": .array([.object(["pattern": evil])]),
            ],
            plugins: [row],
            sites: [row]
        )
        #expect(!page.contains("<script"))
        #expect(!page.contains("alert('1')"))
        #expect(page.contains("&lt;script&gt;alert(&#39;1&#39;)"))
    }

    @Test("A refused plugin's reason, a lane's and a site's error are shown, and counted at the top")
    func worries() {
        let page = page(
            status: [
                "lanes": .array([
                    .object(["state": .string("open"), "reason": .string("connection refused")]),
                    .object(["state": .string("closed"), "target": .string("http://well.example/")]),
                ]),
                "queues": .array([.object(["queue": .string("ombout"), "dead": .int(1200), "paused": .bool(true)])]),
            ],
            plugins: [
                .object(["file": .string("new.so"), "state": .string("refused"), "reason": .string("wants ABI 1.7")])
            ],
            sites: [.object(["nickname": .string("alice"), "error": .string("broken YAML")])]
        )
        for text in ["wants ABI 1.7", "connection refused", "broken YAML", "1,200 dead letters", "queuectl dead list"] {
            #expect(page.contains(text), "\(text)")
        }
        #expect(page.contains("1 plugin not loaded · 1 site broken · 1 queue paused · 1 lane backs off"))
        #expect(!page.contains("well.example"))
    }

    @Test("How full the store is, and what of the dead letters has no file yet")
    func room() {
        let store: [String: JSONValue] = [
            "used_bytes": .int(48 << 20), "max_bytes": .int(2 << 30), "producers_wait": .bool(true),
        ]
        let files: [String: JSONValue] = [
            "folder": .string("/srv/<dead>"), "waiting": .int(1200), "error": .string("No space left"),
        ]
        let queue: [String: JSONValue] = ["queue": .string("ombout"), "dead": .int(1)]
        let page = page(status: [
            "store": .object(store), "dead_letter_files": .object(files), "queues": .array([.object(queue)]),
        ])
        #expect(page.contains("<dt>Store</dt><dd class=\"alarm\">48 MiB of 2 GiB"))
        #expect(page.contains("/srv/&lt;dead&gt;") && page.contains("1,200 wait") && page.contains("No space left"))
        #expect(!self.page().contains("<dt>Store</dt>"))
    }

    @Test("What needs a person stands above everything else; blocked targets are listed, logins in them aren't")
    func needs() throws {
        let page = page(status: [
            "needs": .array([.string("Deliveries to http://me:s3cret@a.example/ are blocked.")]),
            "blocks": .array([.object(["pattern": .string("http://me:s3cret@a.example/"), "site": .null])]),
            "lanes": .array([
                .object([
                    "state": .string("blocked"), "target": .string("http://t/"), "next_attempt": .null,
                    "reason": .string("blocked by operator"),
                ])
            ]),
            "lanes_total": .int(1234),
        ])
        let needs = try #require(page.firstRange(of: "Needs a person"))
        let figures = try #require(page.firstRange(of: "In flight"))
        #expect(needs.lowerBound < figures.lowerBound)
        #expect(page.contains("Blocked targets"))
        #expect(page.contains("blocked by operator"))
        #expect(page.contains("1,184 more: queuectl status"))
        #expect(!page.contains("s3cret"))
    }

    @Test("A need that no table shows takes the place of 'all well' too")
    func oneNeed() {
        let page = page(status: ["needs": .array([.string("The disk is full.")])])
        #expect(page.contains("1 thing to look at"))
        #expect(!page.contains("all well"))
    }

    @Test("Where nothing is wrong it says so, and shows no dead letters")
    func allWell() {
        let page = page(plugins: [.object(["file": .string("omb.so"), "state": .string("loaded")])])
        #expect(page.contains("all well"))
        #expect(!page.contains("queuectl dead"))
    }

    @Test("Members that are missing or of another type break nothing")
    func misshapen() {
        let wrong: [String: JSONValue] = [
            "hostd": .string("x"), "queues": .array([.null, .int(1), .object(["ready": .string("many")])]),
            "lanes": .object([:]), "processes": .array([.object(["pid": .double(1.5)])]),
        ]
        #expect(page(status: wrong, plugins: [.null], sites: [.array([])]).contains("</html>"))
    }

    @Test("No more lanes than a browser likes, and how many more there are")
    func manyLanes() {
        let lanes = (1...75).map { JSONValue.object(["state": .string("open"), "target": .string("http://t\($0)/")]) }
        let page = page(status: ["lanes": .array(lanes)])
        #expect(page.contains("http://t50/"))
        #expect(!page.contains("http://t51/"))
        #expect(page.contains("25 more: queuectl status"))
    }

    @Test("The page loads nothing and runs nothing")
    func selfContained() {
        let page = page()
        for word in ["<script", "src=", "@import", "url(", "onload", "style=\""] {
            #expect(!page.contains(word), "\(word)")
        }
        #expect(page.contains("prefers-color-scheme:dark"))
        #expect(page.contains("<style nonce=\"abc\">"))
    }
}

@Suite struct SnapshotTests {
    @Test("Members named for a secret, and logins in URLs, go nowhere")
    func secrets() {
        let value: JSONValue = .object([
            "target": .string("see http://bob:s3cret@down.example/a@b and https://x@y.example, not mailto:bob@z"),
            "token": .string("s3cret"),
            "sites": .array([
                .object(["values": .object(["consumer_secret": .string("s3cret")]), "nickname": .string("a")])
            ]),
        ])
        #expect(
            Snapshot.withoutSecrets(value)
                == .object([
                    "target": .string("see http://***@down.example/a@b and https://***@y.example, not mailto:bob@z"),
                    "sites": .array([.object(["nickname": .string("a")])]),
                ])
        )
    }

    @Test("status.json has the members of queuectl status, and plugins and sites besides")
    func document() {
        let snapshot = Snapshot(
            status: .object(["hostd": .object(["pid": .int(7)])]),
            plugins: .array([.object(["file": .string("a.so")])]),
            sites: .array([])
        )
        #expect(
            snapshot.document
                == .object([
                    "hostd": .object(["pid": .int(7)]), "plugins": .array([.object(["file": .string("a.so")])]),
                    "sites": .array([]),
                ])
        )
    }
}
