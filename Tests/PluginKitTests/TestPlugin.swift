// SPDX-License-Identifier: Apache-2.0

import PluginKit
import PluginKitTesting

/// A plugin whose handlers do what the test of their site says.
struct TestPlugin: Plugin {
    typealias Body = @HostActor @Sendable (Item) async throws -> Outcome

    static let identity = PluginIdentity(id: "org.hostd.test", version: "1")
    static let configKeys = [
        ConfigKey("word", .string, default: "none", help: "A word."), ConfigKey("count", .int, help: "A number."),
        ConfigKey("secret", .string, isRequired: true, isSecret: true, help: "A secret."),
    ]
    static let outputs = ["testin"]
    static let queues: [ServedQueue<TestSite>] = [
        ServedQueue(
            "test",
            takesNotices: true,
            takesDeletes: true,
            maxInFlight: 3,
            timeout: .milliseconds(1500),
            maxAttempts: 7
        ) {
            TestHandler($0)
        },
        ServedQueue("login", group: "xmpp", isSingleton: true, isOrdered: true) { TestHandler($0) },
    ]

    /// By site, each test's own.
    static let bodies = Locked<[String: Body]>([:])
    static let events = Locked<[String: [String]]>([:])

    let posts: Counter

    init(host: Host) throws {
        try host.require(.metrics)
        posts = host.counter("posts_total", help: "Posts.")
    }

    func open(_ site: Site) throws -> TestSite {
        if site.config.string("word") == "refused" { throw FrameError("the word is refused") }
        return TestSite(site, posts)
    }

    func reconfigure(_ state: TestSite, to config: SiteConfig) throws {
        if config.string("word") == "refused" { throw FrameError("the word is refused") }
        state.note("reconfigured from \(state.site.config.string("word") ?? "") to \(config.string("word") ?? "")")
    }

    func drain(_ state: TestSite) async {
        state.note("drain")
        await Task.yield()
        state.note("drained")
    }

    func close(_ state: TestSite) { state.note("closed") }
}

@HostActor
final class TestSite {
    let site: Site
    let posts: Counter
    /// No lock: whatever handlers do with it happens on the host's thread.
    var count = 0

    init(_ site: Site, _ posts: Counter) {
        self.site = site
        self.posts = posts
    }

    func note(_ event: String) { TestPlugin.events.withLock { $0[site.name, default: []].append(event) } }
}

struct TestHandler: Handler {
    let state: TestSite

    init(_ state: TestSite) { self.state = state }

    func handle(_ item: Item) async throws -> Outcome {
        guard let body = TestPlugin.bodies.withLock({ $0[state.site.name] }) else { return .done }
        state.count += 1
        state.posts.add(1, state.site)
        return try await body(item)
    }
}

/// A fake host with one site whose handlers run `body`.
func host(_ site: String, _ body: @escaping TestPlugin.Body) async throws -> FakeHost {
    TestPlugin.bodies.withLock { $0[site] = body }
    let host = try await FakeHost(TestPlugin.self)
    try await host.open(site)
    return host
}
