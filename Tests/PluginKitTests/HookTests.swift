// SPDX-License-Identifier: Apache-2.0

import PluginKit
import PluginKitTesting
import Testing

@Suite struct HookTests {
    @Test("A notice is posted to each hook of its author")
    func posts() async throws {
        let host = try await FakeHost(HookPlugin.self)
        try await host.open("hooked")
        for name in ["a", "b"] {
            host.recipients.add(Recipient(author: "me", target: "http://\(name).example/"), site: "hooked")
        }
        host.http.answer(inTurn: .respond(204), .respond(503, retryAfter: .seconds(9)))

        let frame = #"{"uri": "http://me.example/1", "content": "Hi", "author": {"uri": "me"}}"#
        let staged = await host.expand(FakeItem(queue: "hook", frame), site: "hooked").staged
        #expect(staged.map(\.target) == ["http://a.example/", "http://b.example/"])

        #expect(await host.deliver(staged[0], site: "hooked").outcome == .done)
        let busy = await host.deliver(staged[1], site: "hooked").outcome
        #expect(busy == .retry(after: .seconds(9), reason: .remote, "HTTP 503"))
        #expect(host.http.requests.map(\.url) == ["http://a.example/", "http://b.example/"])
    }
}
