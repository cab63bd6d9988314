// SPDX-License-Identifier: Apache-2.0

import PluginKitTesting
import Testing

@testable import PluginKit

@Suite struct HandlerTests {
    private let item = FakeItem(queue: "test", "hello")

    private struct Trouble: Error, CustomStringConvertible { let description = "trouble with the moon" }

    @Test("Each outcome reaches the host as it was said")
    func outcomes() async throws {
        let outcomes: [Outcome] = [
            .done, .continue(cursor: [1, 0, 2]),
            .retry(after: .seconds(3), reason: .remote, "HTTP 500", maybeDelivered: true),
            .retry(reason: .network, "refused"), .defer(for: .milliseconds(1), reason: .rate, "later"), .defer(),
            .discard(.gone, "gone"), .discard(.badData, "broken", keep: false), .done.holding(for: .seconds(9)),
            .retry(reason: .rate, "slow").holding("account", for: .seconds(60)),
        ]
        for outcome in outcomes {
            let host = try await host("outcomes") { _ in outcome }
            #expect(await host.deliver(item, site: "outcomes").outcome == outcome)
            let thrower = try await PluginKitTests.host("outcomes") { _ in throw outcome }
            #expect(await thrower.deliver(item, site: "outcomes").outcome == outcome)
        }
    }

    @Test("A thrown error is a retry with its text")
    func throwing() async throws {
        let host = try await host("throwing") { _ in throw Trouble() }
        #expect(await host.deliver(item, site: "throwing").outcome == .retry(reason: .other, "trouble with the moon"))
    }

    @Test("A frame that can't be understood is a dead letter")
    func badFrame() async throws {
        let host = try await host("badFrame") { item in
            _ = try Notice(parsing: item.frame)
            return .done
        }
        let outcome = await host.deliver(item, site: "badFrame").outcome
        #expect(outcome == .discard(.badData, "not JSON: at byte 0: a value is expected", keep: true))
    }

    @Test("A cancelled handler's CancellationError uses up no attempt")
    func cancellationError() async throws {
        let host = try await host("cancellation") { _ in throw CancellationError() }
        let outcome = await host.deliver(item, site: "cancellation").outcome
        #expect(outcome.verdict == .defer)
    }

    @Test("A handler sees all that the host says of an item")
    func sees() async throws {
        let host = try await host("sees") { item in
            #expect(item.queue == "test" && item.site.name == "sees")
            #expect(item.payload == Array("hello".utf8) && item.shared == [9, 8] && item.frame == item.payload)
            #expect(item.withPayload { $0.count } == 5 && item.withShared { $0.count } == 2)
            #expect(item.lane == "lane" && item.dedupeKey == "key" && item.cursor == [1, 2, 3])
            #expect(item.attempt == 4 && item.kills == 2)
            #expect(item.isAfterCrash && item.isLastTry && item.mayBeDuplicate)
            #expect(item.enqueued == item.site.host.now && item.timeLeft == .seconds(30))
            #expect(item.config.string("word") == "none" && item.config === item.site.config)
            return .done
        }
        var item = FakeItem(queue: "test", payload: Array("hello".utf8), shared: [9, 8])
        item.lane = "lane"
        item.dedupeKey = "key"
        item.cursor = [1, 2, 3]
        item.attempt = 4
        item.kills = 2
        item.isAfterCrash = true
        item.isLastTry = true
        item.mayBeDuplicate = true
        #expect(await host.deliver(item, site: "sees").outcome == .done)
    }

    @Test("A frame that went to several queues is in the shared part")
    func frame() async throws {
        let host = try await host("frame") { $0.frame == [7] ? .done : .discard(.badData, "") }
        #expect(await host.deliver(FakeItem(queue: "test", payload: [], shared: [7]), site: "frame").outcome == .done)
    }

    @Test("Handlers never leave the host's thread, whatever they await, and come back from other threads")
    func staysInside() async throws {
        actor Elsewhere {
            func double(_ number: Int) -> Int { number * 2 }
        }
        let elsewhere = Elsewhere()
        let host = try await host("inside") { item in
            #expect(HostExecutor.shared.isInside)
            #expect(await elsewhere.double(4) == 8)
            #expect(HostExecutor.shared.isInside)
            let detached = await Task.detached { HostExecutor.shared.isInside }.value
            #expect(!detached && HostExecutor.shared.isInside)
            try await Task.sleep(for: .milliseconds(1))
            #expect(HostExecutor.shared.isInside)
            let children = await withTaskGroup(of: Int.self) { group in
                for number in 0..<10 { group.addTask { await elsewhere.double(number) } }
                var sum = 0
                for await number in group { sum += number }
                return sum
            }
            #expect(children == 90 && HostExecutor.shared.isInside)
            await Task.detached { await HostActor.run { #expect(HostExecutor.shared.isInside) } }.value
            return .done
        }
        #expect(await host.deliver(item, site: "inside").outcome == .done)
    }

    @Test("Many deliveries at once each end with their own outcome, without a lock in the handler's state")
    func many() async throws {
        let host = try await host("many") { item in
            try await item.site.timers.sleep(for: .milliseconds(Int64(item.attempt % 7)))
            return .continue(cursor: item.payload)
        }
        let expected = (0..<500).map { [UInt8](String($0).utf8) }
        let cursors = await withTaskGroup(of: [UInt8].self) { group in
            for (index, payload) in expected.enumerated() {
                var item = FakeItem(queue: "test", payload: payload)
                item.attempt = index
                group.addTask { [item] in await host.deliver(item, site: "many").outcome.cursor }
            }
            group.addTask {
                while host.metric("posts_total", site: "many") < 500 { await Task.yield() }
                await host.clock.advance(by: .milliseconds(10))
                return []
            }
            return await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(cursors == Set(expected).union([[]]))
        #expect(host.metric("posts_total", site: "many") == 500)
        #expect(host.operationCount == 0)
    }

    @Test("cancel() ends what a handler waits for")
    func cancel() async throws {
        let host = try await host("cancel") { item in
            do throws(HostError) { try await item.site.timers.sleep(for: .seconds(3600)) } catch {
                return .defer(reason: .network, "\(error.code == .cancelled)")
            }
            return .done
        }
        let started = Locked<UInt64?>(nil)
        async let delivery = host.deliver(item, site: "cancel") { token in started.withLock { $0 = token } }
        while host.operationCount == 0 { await Task.yield() }
        await host.cancel(try #require(started.withLock { $0 }))
        #expect(await delivery.outcome == .defer(reason: .network, "true"))
        #expect(host.operationCount == 0 && host.clock.timerCount == 0)
    }

    @Test("A handler that begins to wait after cancel() ends at once")
    func cancelledBefore() async throws {
        let gate = Locked<UnsafeContinuation<Void, Never>?>(nil)
        let host = try await host("cancelledBefore") { item in
            await withUnsafeContinuation { continuation in gate.withLock { $0 = continuation } }
            do throws(HTTPError) { _ = try await item.site.http.send(HTTPRequest("GET", "http://x/")) } catch {
                return .defer(for: nil, "\(error.kind)")
            }
            return .done
        }
        let started = Locked<UInt64?>(nil)
        async let delivery = host.deliver(item, site: "cancelledBefore") { token in started.withLock { $0 = token } }
        while gate.withLock({ $0 == nil }) { await Task.yield() }
        await host.cancel(try #require(started.withLock { $0 }))
        gate.withLock { $0?.resume() }
        #expect(await delivery.outcome == .defer(for: nil, "cancelled"))
        #expect(host.http.requests.isEmpty)
    }

    @Test("A site is drained when its plugin and its last handler are done, and not before")
    func drain() async throws {
        let host = try await host("drain") { item in
            try await item.site.timers.sleep(for: .seconds(5))
            return .done
        }
        async let delivery = host.deliver(item, site: "drain")
        while host.operationCount == 0 { await Task.yield() }
        let isDrained = Locked(false)
        async let drained: Void = { @Sendable in
            await host.drain("drain")
            isDrained.withLock { $0 = true }
        }()
        while TestPlugin.events.withLock({ $0["drain"] ?? [] }).last != "drained" { await Task.yield() }
        #expect(!isDrained.withLock { $0 })
        await host.clock.advance(by: .seconds(5))
        #expect(await delivery.outcome == .done)
        await drained
        await host.close("drain")
        #expect(TestPlugin.events.withLock { $0["drain"] } == ["drain", "drained", "closed"])
    }

    @Test("Handlers that still wait at a site's close end, though the host has dropped their operations")
    func close() async throws {
        let ended = Locked<String?>(nil)
        let host = try await host("close") { item in
            do { try await item.site.timers.sleep(for: .seconds(5)) } catch { ended.withLock { $0 = "\(error)" } }
            return .done
        }
        async let delivery = host.deliver(item, site: "close")
        while host.operationCount == 0 { await Task.yield() }
        await host.close("close")
        #expect(await delivery.outcome == .done)
        #expect(ended.withLock { $0 } == "sleep: cancelled")
    }

    @Test("An item of a queue that the site wasn't opened for is a retry and an error in the log")
    func unserved() async throws {
        let host = try await FakeHost(TestPlugin.self)
        try await host.open("unserved", queues: ["login"])
        #expect(await host.deliver(item, site: "unserved").outcome.verdict == .retry)
        #expect(host.log.contains { $0.level == 3 && $0.fields["queue"] == "test" })
    }
}

extension HostActor {
    static func run<Result: Sendable>(_ body: @HostActor () -> Result) async -> Result { await body() }
}
