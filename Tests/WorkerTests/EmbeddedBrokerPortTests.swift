// SPDX-License-Identifier: Apache-2.0
import Logging
import NIOCore
import NIOPosix
import QueueCore
import TestSupport
import Testing
import WorkerLink

@testable import Worker

@Suite struct EmbeddedBrokerPortTests {
    /// A port on a loop of its own, and what its receiver hears.
    private final class Harness: Sendable {
        let heard = EventLog<String>()
        let port: NIOLoopBound<EmbeddedBrokerPort>
        private let receiver: NIOLoopBound<Receiver>
        private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop: any EventLoop

        init(_ path: String) async throws {
            let loop = group.next()
            let hello = LinkHello(
                plugin: PluginName(unchecked: "omb"),
                pluginVersion: "1",
                generation: 2,
                pid: 4711,
                journalPath: "/j",
                queues: [QueueCredit(queue: QueueName(unchecked: "ombout"), credit: 64)]
            )
            let heard = heard
            (port, receiver) = try await loop.submit {
                let port = EmbeddedBrokerPort(
                    loop: loop,
                    socketPath: path,
                    hello: hello,
                    logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
                )
                let receiver = Receiver(heard)
                port.start(receiver)
                return (NIOLoopBound(port, eventLoop: loop), NIOLoopBound(receiver, eventLoop: loop))
            }.get()
            self.loop = loop
        }

        deinit { group.shutdownGracefully { _ in } }

        func onLoop(_ body: @escaping @Sendable (EmbeddedBrokerPort) -> Void) async throws {
            let port = port
            try await loop.submit { body(port.value) }.get()
        }
    }

    private final class Receiver: ClaimReceiver {
        private let heard: EventLog<String>
        init(_ heard: EventLog<String>) { self.heard = heard }
        func connected() { heard.append("connected") }
        func deliver(_ batch: DeliveredBatch) { heard.append("deliver \(batch.items.map(\.id))") }
        func cancel(_ deliveries: [UInt64]) { heard.append("cancel \(deliveries)") }
        func interrupted() -> Set<UInt64> {
            heard.append("interrupted")
            return [2]
        }
    }

    private func result(_ id: UInt64) -> ItemResult { ItemResult(id: id, outcome: Outcome(.done)) }
    private let alice = SiteName(unchecked: "alice")

    @Test("The hello comes first; deliveries and cancels are passed on")
    func delivers() async throws {
        let directory = try TemporaryDirectory()
        let link = try await FakeLink(path: directory.file("s"))
        let harness = try await Harness(directory.file("s"))
        #expect(try await link.hello(link: 1).pid == 4711)
        #expect(try await harness.heard.next() == "connected")
        let item = DeliveredItem(id: 9, item: 1, site: alice, queue: QueueName(unchecked: "ombout"))
        try await link.send(.deliver(DeliveredBatch(bytes: ByteBuffer(), items: [item])))
        #expect(try await harness.heard.next() == "deliver [9]")
        try await link.send(.cancel([9]))
        #expect(try await harness.heard.next() == "cancel [9]")
    }

    @Test("A queue that is held stays so for a broker that comes back; a lane's hold is the broker's to keep")
    func holds() async throws {
        let directory = try TemporaryDirectory()
        let link = try await FakeLink(path: directory.file("s"))
        let harness = try await Harness(directory.file("s"))
        _ = try await link.hello(link: 1)
        let (alice, out) = (alice, QueueName(unchecked: "out"))
        try await harness.onLoop { port in
            port.hold(site: alice, queue: out, lane: "", ms: 600_000, text: "no server")
            port.hold(site: alice, queue: out, lane: "t", ms: 600_000, text: "a lane")
            port.hold(site: SiteName(unchecked: "bob"), queue: out, lane: "", ms: 600_000, text: "over")
            port.hold(site: SiteName(unchecked: "bob"), queue: out, lane: "", ms: 0, text: "")
        }
        _ = try await link.received.first("the last hold") { Self.hold($0.message)?.hasSuffix(" 0") == true }
        try await link.cut()
        let again = try await link.received.first("a hold on the second link") {
            $0.link == 2 && Self.hold($0.message) != nil
        }
        #expect(Self.hold(again.message)?.hasPrefix("alice  no server") == true)
        #expect(link.received.all.count { $0.link == 2 && Self.hold($0.message) != nil } == 1)
    }

    /// Site, lane, text, and milliseconds in the end.
    private static func hold(_ message: LinkMessage) -> String? {
        guard case .hold(let site, _, let lane, let ms, let text) = message else { return nil }
        return "\(site.rawValue) \(lane) \(text) \(ms)"
    }

    @Test("A hold lasts as long as it was said to, over all brokers")
    func holdsPass() {
        var holds = QueueHolds()
        holds.note(alice, QueueName(unchecked: "out"), ms: 1000, text: "a", nowMs: 500)
        guard case .hold(_, _, _, 400, "a")? = holds.inForce(nowMs: 1100).first else {
            Issue.record("another hold than 400 ms")
            return
        }
        #expect(holds.inForce(nowMs: 1500).isEmpty)
    }

    @Test("Results of one turn of the loop travel in one message, at most 64 in one")
    func batches() async throws {
        let directory = try TemporaryDirectory()
        let link = try await FakeLink(path: directory.file("s"))
        let harness = try await Harness(directory.file("s"))
        _ = try await harness.heard.next()
        try await harness.onLoop { port in for id in 1...100 { port.settle(self.result(UInt64(id))) } }
        try await eventually("all results are there") { link.results.count == 100 }
        let sizes = link.received.all.compactMap {
            if case .results(let results) = $0.message { results.count } else { nil }
        }
        #expect(sizes == [64, 36])
        #expect(link.results.map(\.id) == Array(1...100))
    }

    @Test("A lost link is connected anew, with its refusals")
    func reconnects() async throws {
        let directory = try TemporaryDirectory()
        let link = try await FakeLink(path: directory.file("s"))
        let harness = try await Harness(directory.file("s"))
        #expect(try await harness.heard.next() == "connected")
        let alice = alice
        try await harness.onLoop { $0.refuse([alice]) }
        _ = try await link.received.first("the refusal") { if case .refuse = $0.message { true } else { false } }
        try await link.cut()
        #expect(try await harness.heard.next() == "interrupted")
        #expect(try await harness.heard.next() == "connected")
        let refusal = try await link.received.first("the refusal") {
            if case .refuse([alice]) = $0.message { $0.link == 2 } else { false }
        }
        #expect(refusal.link == 2)
    }

    @Test("A new link is told what the plugin still has, and gets the results that may be lost, until they are on disk")
    func keeps() async throws {
        let directory = try TemporaryDirectory()
        let link = try await FakeLink(path: directory.file("s"))
        let harness = try await Harness(directory.file("s"))
        #expect(try await link.hello(link: 1).held.isEmpty)
        let items = (1...6 as ClosedRange<UInt64>).map { id in
            var item = DeliveredItem(id: id, item: 100 + id, site: alice, queue: QueueName(unchecked: "ombout"))
            item.place = Int64(200 + id)
            item.attempt = UInt32(id)
            return item
        }
        try await link.send(.deliver(DeliveredBatch(bytes: ByteBuffer(), items: items)))
        _ = try await harness.heard.first("the items") { $0.hasPrefix("deliver") }
        // 1 is on disk, 3 isn't; 4 comes back anyway; 2 is in its handler, 5 and 6 were waiting.
        try await harness.onLoop { port in
            for id in [1, 3] { port.settle(self.result(UInt64(id))) }
            port.settle(ItemResult(id: 4, outcome: Outcome(.giveBack)))
        }
        try await eventually("the results are there") { link.results.count == 3 }
        try await link.send(.settled(1))
        // Behind it, so that it was read.
        try await link.send(.cancel([2]))
        _ = try await harness.heard.first("the cancel") { $0.hasPrefix("cancel") }
        try await link.cut()
        let hello = try await link.hello(link: 2)
        #expect(hello.lastDelivery == 6)
        #expect(hello.held == [items[1], items[2]].map(HeldDelivery.init))
        try await harness.onLoop { $0.settle(self.result(2)) }
        try await eventually("both results are there") {
            link.received.all.filter { $0.link == 2 }.flatMap { Self.results($0.message) } == [3, 2]
        }
        try await link.send(.settled(2))
        try await link.send(.cancel([2]))
        try await eventually("the second cancel") { harness.heard.all.count { $0.hasPrefix("cancel") } == 2 }
        try await link.cut()
        #expect(try await link.hello(link: 3).held.isEmpty)
    }

    private static func results(_ message: LinkMessage) -> [UInt64] {
        guard case .results(let results) = message else { return [] }
        return results.map(\.id)
    }

    @Test("A broker that isn't there yet is waited for")
    func waits() async throws {
        let directory = try TemporaryDirectory()
        let harness = try await Harness(directory.file("s"))
        let link = try await FakeLink(path: directory.file("s"))
        #expect(try await harness.heard.next() == "connected")
        #expect(try await link.hello(link: 1).generation == 2)
    }

    @Test("An enqueue is answered when it is durable, or when the link is lost")
    func enqueues() async throws {
        let directory = try TemporaryDirectory()
        let link = try await FakeLink(path: directory.file("s"))
        let harness = try await Harness(directory.file("s"))
        _ = try await harness.heard.next()
        let answers = EventLog<String>()
        let (alice, item) = (alice, NewItem(queue: QueueName(unchecked: "xmppin"), payload: [1]))
        try await harness.onLoop { port in
            for number in 1...3 {
                port.enqueue(site: alice, [item]) { answers.append("\(number): \($0 ?? "durable")") }
            }
        }
        let requests = try await link.received.first(4, "messages").compactMap {
            if case .enqueue(let request, _, _) = $0.message { request } else { nil }
        }
        try await link.send(.enqueued(request: requests[0], error: nil))
        #expect(try await answers.next() == "1: durable")
        try await link.send(.enqueued(request: requests[1], error: "the disk is full"))
        #expect(try await answers.next() == "2: the disk is full")
        try await link.cut()
        #expect(try await answers.next().hasPrefix("3: the link to the broker was lost"))
    }

    @Test("The last results are on disk before the end, also of a broker that isn't there yet")
    func stops() async throws {
        let directory = try TemporaryDirectory()
        let link = try await FakeLink(path: directory.file("s"))
        let harness = try await Harness(directory.file("s"))
        _ = try await harness.heard.next()
        let ends = EventLog<String>()
        try await harness.onLoop { port in
            port.settle(self.result(1))
            port.stop { ends.append("stopped") }
        }
        try await eventually("the result is there") { link.results.map(\.id) == [1] }
        try await link.cut()
        try await eventually("the result is there again") { link.results.map(\.id) == [1, 1] }
        #expect(ends.all.isEmpty)
        try await link.send(.settled(1))
        _ = try await ends.next()
    }
}
