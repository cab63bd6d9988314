// SPDX-License-Identifier: Apache-2.0

import PluginKitTesting
import Testing

@testable import PluginKit

@Suite struct ConnectionServicesTests {
    /// What a stream of a handler has told.
    private final class Seen: Sendable {
        private let state = Locked((events: [StreamEvent](), stream: ByteStream?.none))

        var events: [StreamEvent] { state.withLock { $0.events } }
        var stream: ByteStream? { state.withLock { $0.stream } }
        func keep(_ stream: ByteStream) { state.withLock { $0.stream = stream } }
        func add(_ event: StreamEvent) { state.withLock { $0.events.append(event) } }
    }

    private func connected(_ site: String, _ request: StreamRequest) async throws -> (FakeHost, FakeStream, Seen) {
        let seen = Seen()
        let host = try await host(site) { item in
            let before = seen.events
            seen.keep(try item.site.streams.connect(request) { _, event in seen.add(event) })
            #expect(seen.events == before)
            return .done
        }
        #expect(await host.deliver(FakeItem(queue: "test", "go"), site: site).outcome == .done)
        let stream = try #require(host.streams.opened.first)
        await stream.settle()
        return (host, stream, seen)
    }

    /// Runs something on the host's thread; what it throws.
    @discardableResult
    private func onHost(_ body: @escaping @HostActor @Sendable () throws(HostError) -> Void) async -> HostError? {
        await Task { @HostActor () -> HostError? in
            do throws(HostError) {
                try body()
                return nil
            } catch { return error }
        }.value
    }

    @Test("A request arrives as it was made; bytes go both ways in any chunks; the end comes last")
    func stream() async throws {
        var request = StreamRequest(host: "x.example", port: 5222)
        request.srv = "_x._tcp"
        request.tlsName = "name"
        request.caFile = "/ca"
        request.isTrusted = true
        request.timeout = .seconds(3)
        let (host, stream, seen) = try await connected("stream", request)
        #expect(stream.request.host == "x.example" && stream.request.port == 5222 && stream.request.srv == "_x._tcp")
        #expect(stream.request.tlsName == "name" && stream.request.caFile == "/ca" && stream.request.isTrusted)
        #expect(stream.request.timeout == .seconds(3) && !stream.request.usesTLS)
        let mine = try #require(seen.stream)
        await onHost { () throws(HostError) in try mine.write([1, 2]) }
        #expect(stream.written == [1, 2])
        stream.send("hello", chunk: 2)
        await stream.settle()
        #expect(
            seen.events == [.connected, .data(Array("he".utf8)), .data(Array("ll".utf8)), .data(Array("o".utf8))]
        )
        stream.close(.io)
        await stream.settle()
        #expect(seen.events.last == .closed(HostError(.io, "the stream to x.example:5222")))
        #expect(stream.isOver && host.operationCount == 0)
        let late = await onHost { () throws(HostError) in try mine.write([3]) }
        #expect(late == HostError(.stale, "writing to x.example:5222"))
    }

    @Test("STARTTLS, backpressure and pause do what the host does")
    func flow() async throws {
        let (_, stream, seen) = try await connected("flow", StreamRequest(host: "x", port: 1))
        let mine = try #require(seen.stream)
        await onHost { () throws(HostError) in try mine.startTLS() }
        await stream.settle()
        #expect(stream.isSecured && seen.events == [.connected, .secured])
        stream.stall()
        let refused = await onHost { () throws(HostError) in try mine.write([1]) }
        #expect(refused == HostError(.overLimit, "writing to x:1") && stream.written.isEmpty)
        stream.resume()
        await stream.settle()
        #expect(seen.events.last == .writable)
        await onHost { () throws(HostError) in mine.pause(true) }
        stream.send("later")
        await stream.settle()
        #expect(seen.events.last == .writable && stream.isPaused)
        await onHost { () throws(HostError) in mine.pause(false) }
        await stream.settle()
        #expect(seen.events.last == .data(Array("later".utf8)))
        await onHost { () throws(HostError) in mine.close() }
        await stream.settle()
        #expect(seen.events.last == .closed(nil))
    }

    @Test("A cancelled stream tells nothing more; a site's close ends its streams")
    func endings() async throws {
        let (host, stream, seen) = try await connected("endings", StreamRequest(host: "x", port: 1))
        let mine = try #require(seen.stream)
        await onHost { () throws(HostError) in mine.cancel() }
        stream.send("x")
        await stream.settle()
        #expect(seen.events == [.connected] && stream.isOver && host.operationCount == 0)
        host.streams.refuse(.denied)
        _ = await host.deliver(FakeItem(queue: "test", "again"), site: "endings")
        await stream.settle()
        #expect(seen.events.last == .closed(HostError(.denied, "the stream to x:1")))
    }

    @Test("The cache sets, adds, counts, forgets in time, and can be away")
    func cache() async throws {
        let host = try await host("cache") { item in
            let cache = item.site.cache
            #expect(try await cache.get("k") == nil)
            try await cache.set("k", [1])
            #expect(try await cache.get("k") == [1])
            #expect(try await cache.add("k", [2]) == false)
            #expect(try await cache.add("n", [2], ttl: .milliseconds(1500)) == true)
            #expect(try await cache.increment("c", initial: 5) == 5)
            #expect(try await cache.increment("c", by: 2, initial: 5) == 7)
            #expect(try await cache.increment("c", by: -9, initial: 5) == 0)
            await #expect(throws: HostError(.invalid, "adding to k in the cache")) {
                try await cache.increment("k", initial: 1)
            }
            try await cache.remove("k")
            try await cache.remove("k")
            return .done
        }
        #expect(await host.deliver(FakeItem(queue: "test", "go"), site: "cache").outcome == .done)
        #expect(host.cache.value("c", site: "cache") == Array("0".utf8))
        #expect(host.cache.value("n", site: "cache") == [2])
        await host.clock.advance(by: .seconds(2))
        #expect(host.cache.value("n", site: "cache") == nil)
        host.cache.fail(.io)
        TestPlugin.bodies.withLock { bodies in
            bodies["cache"] = { item in
                await #expect(throws: HostError(.io, "reading k from the cache")) { try await item.site.cache.get("k") }
                return .done
            }
        }
        #expect(await host.deliver(FakeItem(queue: "test", "go"), site: "cache").outcome == .done)
    }
}
