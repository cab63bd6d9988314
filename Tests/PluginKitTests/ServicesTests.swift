// SPDX-License-Identifier: Apache-2.0

import PluginKitTesting
import Testing

@testable import PluginKit

@Suite struct ServicesTests {
    private let item = FakeItem(queue: "test", "hello")

    /// Runs `body` in a handler of a site; its expectations are the test's.
    private func run(
        _ site: String,
        prepare: (FakeHost) async -> Void = { _ in },
        _ body: @escaping TestPlugin.Body
    ) async throws -> FakeHost {
        let host = try await host(site, body)
        await prepare(host)
        #expect(await host.deliver(item, site: site).outcome == .done)
        return host
    }

    @Test("A request goes out as it was made, and its answer comes back whole")
    func http() async throws {
        let host = try await run("http") { host in
            host.http.answer { _ in
                .respond(429, headers: ["Location": "/x", "A": ""], body: "why", retryAfter: .seconds(7))
            }
        } _: { item in
            let response = try await item.site.http.send(
                HTTPRequest(
                    "PUT",
                    "https://x.example/p?q",
                    headers: [("X-A", "1"), ("X-B", "2")],
                    body: [1, 2],
                    timeout: .seconds(3)
                )
            )
            #expect(response.status == 429 && response.body == Array("why".utf8) && response.retryAfter == .seconds(7))
            #expect(response.headers["location"] == "/x" && response.headers["a"]?.isEmpty == true)
            #expect(response.headers["why"] == nil)
            return .done
        }
        let request = try #require(host.http.requests.first)
        #expect(request.method == "PUT" && request.url == "https://x.example/p?q" && request.body == [1, 2])
        #expect(request.timeout == .seconds(3) && request.header("x-b") == "2")
    }

    @Test(
        "A request without an answer says whether it may have arrived",
        arguments: [
            (HTTPError.Kind.network, false), (.network, true), (.timeout, true), (.denied, false), (.tooLong, true),
        ]
    )
    func httpErrors(kind: HTTPError.Kind, sent: Bool) async throws {
        let host = try await host("httpErrors") { item in
            _ = try await item.site.http.send(HTTPRequest("GET", "http://x/"))
            return .done
        }
        host.http.answer { _ in .fail(kind, sent: sent) }
        let outcome = await host.deliver(item, site: "httpErrors").outcome
        #expect(outcome.verdict == .retry && outcome.reason == .network && outcome.maybeDelivered == sent)
        #expect(outcome.text == HTTPError(kind: kind, maybeSent: sent).description)
    }

    @Test("Without the service a request isn't begun")
    func httpLacking() async throws {
        TestPlugin.bodies.withLock { bodies in
            bodies["lacking"] = { item in
                #expect(!item.site.host.provides(.http) && item.site.host.provides(.metrics))
                await #expect(throws: HTTPError(kind: .notStarted, maybeSent: false)) {
                    try await item.site.http.send(HTTPRequest("GET", "http://x/"))
                }
                await #expect(throws: HostError.self) { try await item.site.timers.sleep(for: .seconds(1)) }
                await #expect(throws: HostError.self) { try await item.site.values.get("k") }
                await #expect(throws: HostError.self) {
                    try await item.site.recipients.get(author: "a", target: "t", for: item)
                }
                return .done
            }
        }
        let host = try await FakeHost(TestPlugin.self, lacking: [.http, .loop, .values, .recipients])
        try await host.open("lacking")
        #expect(await host.deliver(item, site: "lacking").outcome == .done)
    }

    @Test("Silence ends at the request's time limit, by the host's clock")
    func silence() async throws {
        let host = try await host("silence") { item in
            _ = try await item.site.http.send(HTTPRequest("GET", "http://x/", timeout: .seconds(5)))
            return .done
        }
        host.http.answer { _ in .silence }
        async let delivery = host.deliver(item, site: "silence")
        while host.operationCount == 0 { await Task.yield() }
        await host.clock.advance(by: .milliseconds(4999))
        #expect(host.operationCount == 1)
        await host.clock.advance(by: .milliseconds(1))
        #expect(
            await delivery.outcome
                == .retry(
                    reason: .network,
                    "no answer in time; the request may have arrived",
                    maybeDelivered: true
                )
        )
    }

    @Test("Timers fire once or until they are cancelled")
    func timers() async throws {
        let fired = Locked<[String]>([])
        let host = try await run("timers") { item in
            let once = try item.site.timers.after(.seconds(1)) { fired.withLock { $0.append("once") } }
            let never = try item.site.timers.after(.seconds(1)) { fired.withLock { $0.append("never") } }
            var periodic: HostTimer?
            var count = 0
            periodic = try item.site.timers.every(.seconds(2)) {
                count += 1
                fired.withLock { $0.append("periodic \(count)") }
                if count == 2 { periodic?.cancel() }
            }
            never.cancel()
            never.cancel()
            _ = once
            return .done
        }
        await host.clock.advance(by: .seconds(60))
        #expect(fired.withLock { $0 } == ["once", "periodic 1", "periodic 2"])
        #expect(host.clock.timerCount == 0 && host.operationCount == 0)
    }

    @Test("A descriptor's events come until its watch is cancelled")
    func descriptors() async throws {
        let seen = Locked<[DescriptorEvents]>([])
        let watch = Locked<DescriptorWatch?>(nil)
        let host = try await run("descriptors") { item in
            let new = try item.site.descriptors.watch(99, for: .read) { events in seen.withLock { $0.append(events) } }
            watch.withLock { $0 = new }
            return .done
        }
        await host.signal(99, .read)
        await host.signal(99, .write)
        try await HostActor.run { Result { try watch.withLock { try $0?.change(to: .write) } } }.get()
        await host.signal(99, .write)
        await HostActor.run { watch.withLock { $0?.cancel() } }
        await host.signal(99, .write)
        #expect(seen.withLock { $0 } == [.read, .write] && host.operationCount == 0)
    }

    @Test("Values are written under a condition, and expire")
    func values() async throws {
        let host = try await run("values") { item in
            let values = item.site.values
            #expect(try await values.get("k") == nil)
            let first = try await values.put("k", [1], .ifAbsent)
            await #expect(throws: HostError(.stale, "writing the value k")) {
                try await values.put("k", [2], .ifAbsent)
            }
            let second = try await values.put("k", [2], .ifVersion(first), expires: .seconds(10))
            await #expect(throws: HostError.self) { try await values.put("k", [3], .ifVersion(first)) }
            #expect(try await values.get("k") == KeyValue.Value(bytes: [2], version: second))
            try await values.put("long", [1], expires: .seconds(90 * 86_400))
            try await values.put("gone", [1])
            try await values.remove("gone")
            #expect(try await values.get("gone") == nil)
            return .done
        }
        await host.clock.advance(by: .seconds(10))
        TestPlugin.bodies.withLock { bodies in
            bodies["values"] = { item in try await item.site.values.get("k") == nil ? .done : .discard(.other, "") }
        }
        #expect(await host.deliver(item, site: "values").outcome == .done)
        // Longer than 32 bits of milliseconds, which is also what one step of the clock can be.
        for _ in 0..<2 { await host.clock.advance(by: .seconds(44 * 86_400)) }
        TestPlugin.bodies.withLock { bodies in
            bodies["values"] = { item in try await item.site.values.get("long") == nil ? .discard(.other, "") : .done }
        }
        #expect(await host.deliver(item, site: "values").outcome == .done)
    }

    @Test("Recipients come in pages that never split a target, and can be changed")
    func recipients() async throws {
        let host = try await run("recipients") { host in
            for target in ["a", "b", "c"] {
                for key in ["1", "2"] {
                    host.recipients.add(
                        Recipient(
                            author: "me",
                            target: target,
                            key: key,
                            credentials: ["token": .string(key)],
                            options: ["n": 1]
                        ),
                        site: "recipients"
                    )
                }
            }
            host.recipients.add(Recipient(author: "other", target: "a"), site: "recipients")
        } _: { item in
            let recipients = item.site.recipients
            let first = try await recipients.page(of: "me", after: [], limit: 3, for: item)
            #expect(first.rows.map(\.target) == ["a", "a", "b", "b"])
            #expect(first.rows[0].hasSameTarget(as: first.rows[1]) && !first.rows[1].hasSameTarget(as: first.rows[2]))
            let second = try await recipients.page(of: "me", after: try #require(first.next), limit: 3, for: item)
            #expect(
                second.rows.map { "\($0.author) \($0.target) \($0.key)" } == ["me c 1", "me c 2"] && second.next == nil
            )
            #expect(second.rows[1].credentials["token"] == "2" && second.rows[1].options["n"]?.int == 1)
            try await recipients.remove(author: "me", target: "a", key: "1", why: "test")
            await #expect(throws: HostError(.notFound, "removing a recipient")) {
                try await recipients.remove(author: "me", target: "a", key: "1", why: "test")
            }
            #expect(try await recipients.get(author: "me", target: "a", for: nil).map(\.key) == ["2"])
            try await recipients.put(Recipient(author: "me", target: "d", credentials: ["token": "\u{E9}\"\n"]))
            let row = try #require(try await recipients.get(author: "me", target: "d", for: item).first)
            #expect(row.credentials["token"] == "\u{E9}\"\n" && row.version == 1)
            await #expect(throws: HostError(.stale, "writing a recipient")) {
                try await recipients.put(Recipient(author: "me", target: "d", version: 7))
            }
            return .done
        }
        #expect(host.recipients.all(site: "recipients").count == 7)
    }

    @Test("Staged items are committed by done and continue only, and a batch is all or nothing")
    func stage() async throws {
        let verdict = Locked(Outcome.done)
        let host = try await host("stage") { item in
            var new = NewItem(queue: "testout", payload: [1], target: "t", dedupeKey: "d")
            new.lane = "l"
            new.delay = .seconds(2)
            new.priority = 9
            new.expires = UnixTime(milliseconds: 5)
            try item.stage([new, NewItem(queue: "testout", payload: [2])], shared: [7, 7])
            try item.stage([])
            #expect(throws: HostError.self) { try item.stage(Array(repeating: new, count: 999)) }
            return verdict.withLock { $0 }
        }
        let staged = await host.deliver(item, site: "stage").staged
        #expect(staged.map(\.payload) == [[1], [2]] && staged.map(\.shared) == [[7, 7], [7, 7]])
        let first = try #require(staged.first)
        #expect(first.queue == "testout" && first.target == "t" && first.lane == "l" && first.dedupeKey == "d")
        #expect(first.delay == .seconds(2) && first.priority == 9 && first.expires?.milliseconds == 5)
        #expect(staged[1].priority == nil && staged[1].expires == nil)
        verdict.withLock { $0 = .continue(cursor: [1]) }
        #expect(await host.deliver(item, site: "stage").staged.count == 2)
        verdict.withLock { $0 = .retry(reason: .other, "") }
        #expect(await host.deliver(item, site: "stage").staged.isEmpty)
    }

    @Test("Items can be enqueued outside a delivery, lanes held, counters counted, and lines logged")
    func rest() async throws {
        let host = try await run("rest") { item in
            try await item.site.enqueue([NewItem(queue: "testin", payload: [5])], shared: [6])
            item.site.hold(queue: "test", lane: "l", for: .seconds(3), "slow")
            item.site.hold(queue: "test", for: .zero, "go on")
            item.log.error("an error", ["a": "1"])
            item.site.log.warning("a warning")
            item.site.host.log.info("info")
            item.log.debug("debug", ["b": "2", "c": "\u{E9}"])
            return .done
        }
        #expect(host.enqueued.map(\.payload) == [[5]] && host.enqueued.map(\.shared) == [[6]])
        #expect(host.holds.map(\.lane) == ["l", ""] && host.holds.map(\.duration) == [.seconds(3), .zero])
        #expect(host.log.map(\.level) == [3, 4, 6, 7])
        #expect(host.log.map(\.message) == ["an error", "a warning", "info", "debug"])
        #expect(host.log[3].fields == ["b": "2", "c": "\u{E9}"])
        #expect(host.metric("posts_total", site: "rest") == 1)
    }
}
