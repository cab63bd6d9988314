// SPDX-License-Identifier: Apache-2.0
import Control
import Foundation
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import QueueCore
import QueueStore
import TestSupport
import WorkerLink

@testable import Broker

/// A clock that runs as the machine's does, and that tests move on besides.
final class VirtualBrokerClock: BrokerClock {
    private let system = SystemBrokerClock()
    private let moved = NIOLockedValueBox((steady: Int64(0), wall: Int64(0)))

    var steadyMs: Int64 { system.steadyMs + moved.withLockedValue(\.steady) }
    var wallMs: Int64 { system.wallMs + moved.withLockedValue(\.wall) }
    func advance(ms: Int64) { moved.withLockedValue { $0 = ($0.steady + ms, $0.wall + ms) } }
    func jumpWall(ms: Int64) { moved.withLockedValue { $0.wall += ms } }
}

/// The real broker, sockets and store included, in this process.
final class BrokerHarness: Sendable {
    let directory: TemporaryDirectory
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let clock: any BrokerClock
    let commands = EventLog<String>()
    private let parts: NIOLoopBoundBox<(BrokerCore, Listeners)?>
    let configuration: BrokerConfiguration

    static let bench = PluginDescriptor(
        id: "org.example.bench",
        version: "1.0",
        abi: ABIVersion(major: 1, needMinor: 0, builtMinor: 0),
        handlers: [
            HandlerDescriptor(queue: QueueName(unchecked: "stage"), takesNotices: true, maxInFlight: 2),
            HandlerDescriptor(queue: QueueName(unchecked: "out"), maxInFlight: 64),
            HandlerDescriptor(queue: QueueName(unchecked: "ordered"), isOrdered: true, maxInFlight: 64),
        ],
        outputs: [QueueName(unchecked: "xmppin")]
    )

    /// Sites `alice` (server alice.example) and `bob` enable the plugin `bench`; `carol` enables none.
    init(
        directory: TemporaryDirectory? = nil,
        clock: any BrokerClock = SystemBrokerClock(),
        change: (inout BrokerConfiguration) -> Void = { _ in }
    ) async throws {
        self.directory = try directory ?? TemporaryDirectory()
        self.clock = clock
        var configuration = BrokerConfiguration(stateDirectory: self.directory.path)
        configuration.listenHost = "127.0.0.1"
        configuration.version = "test"
        let bench = PluginName(unchecked: "bench")
        configuration.sites = ["alice", "bob"].map {
            SiteEntry(nickname: SiteName(unchecked: $0), server: "\($0).example", plugins: [bench])
        }
        configuration.sites.append(SiteEntry(nickname: SiteName(unchecked: "carol"), server: "c.example", plugins: []))
        configuration.plugins = [PluginEntry(name: bench, descriptor: Self.bench, isLoaded: true)]
        change(&configuration)
        self.configuration = configuration
        let loop = group.next()
        parts = NIOLoopBoundBox.makeEmptyBox(valueType: (BrokerCore, Listeners).self, eventLoop: loop)
        let (settled, log, group) = (configuration, commands, group)
        let parts = parts
        try await loop.flatSubmit { () -> EventLoopFuture<Void> in
            do {
                let store = try QueueStore(path: settled.storePath) { work in loop.execute(work) }
                let core = BrokerCore(
                    configuration: settled,
                    loop: loop,
                    store: store,
                    clock: clock,
                    log: Logger(label: "broker") { _ in SwiftLogNoOpLogHandler() }
                )
                core.sendCommand = { name, arguments in
                    log.append(([name] + arguments.values.compactMap(\.string)).joined(separator: " "))
                }
                let listeners = Listeners(core, WorkerRegistry(loop: loop, log: core.log))
                parts.value = (core, listeners)
                let promise = loop.makePromise(of: Void.self)
                core.start { error in
                    if let error { promise.fail(error) } else { promise.succeed() }
                }
                return promise.futureResult.flatMap {
                    parts.value?.1.open(group: group) ?? loop.makeSucceededVoidFuture()
                }
            } catch {
                return loop.makeFailedFuture(error)
            }
        }.get()
    }

    /// Runs `work` on the broker's loop.
    func onLoop<Result: Sendable>(_ work: @escaping @Sendable (BrokerCore) throws -> Result) async throws -> Result {
        let parts = parts
        return try await group.next().submit {
            guard let core = parts.value?.0 else { throw TestSupportError.missing("the broker") }
            return try work(core)
        }.get()
    }

    /// Waits until every outcome that was sent is settled: nothing is claimed.
    func settled() async throws {
        do {
            try await eventually("nothing is claimed") {
                try await self.onLoop { core in
                    core.dispatcher.lines.values.allSatisfy { $0.sources.values.allSatisfy { $0.claimed == 0 } }
                }
            }
        } catch {
            throw TestSupportError.missing("an end to what is claimed (\(try await describe()))")
        }
    }

    /// Moves the clock on, and has the broker look at it: its timers run on the machine's clock.
    func advance(_ clock: VirtualBrokerClock, ms: Int64) async throws {
        clock.advance(ms: ms)
        try await onLoop { core in
            core.dispatcher.scheduleDue()
            core.dispatcher.wake(atMs: core.clock.steadyMs)
        }
    }

    /// What the dispatcher holds, for a failed test's message.
    func describe() async throws -> String {
        try await onLoop { core in
            let sources = core.dispatcher.lines.values.flatMap { line in
                line.sources.values.map { source in
                    "\(line.name)/\(source.site) claimed \(source.claimed) returned \(source.returned.count) windows "
                        + "\(source.windows.map(\.items.count)) unblocked \(source.unblocked.count) "
                        + "retrying \(source.retrying.count)"
                }
            }
            let lanes = core.dispatcher.lanes.values.map { lane in
                "lane \(lane.key) \(lane.machine) pending \(lane.pending.count) backlog \(lane.hasBacklog) "
                    + "loading \(lane.isLoading) listed \(lane.isListed) active \(lane.active)"
            }
            return (sources + lanes + ["due \(core.dispatcher.due) now \(core.clock.steadyMs)"]).joined(separator: "; ")
        }
    }

    func port() async throws -> Int {
        let parts = parts
        let port = try await group.next().submit { parts.value?.1.port }.get()
        guard let port else { throw TestSupportError.missing("the port") }
        return port
    }

    func stomp(version: String? = "1.2") async throws -> StompTestClient {
        let client = try await StompTestClient.connect(port: try await port())
        try await client.connect(version: version)
        return client
    }

    func worker(_ credits: [(String, Int)] = [("stage", 2), ("out", 64), ("ordered", 64)]) async throws -> FakeWorker {
        let worker = try await FakeWorker(path: configuration.workerSocket, group: group)
        try await worker.hello(credits, journal: directory.file("journal-\(credits.count)"))
        return worker
    }

    func command(_ name: String, _ arguments: [String: JSONValue] = [:]) async throws -> ControlReply {
        let parts = parts
        let loop = group.next()
        return try await loop.flatSubmit { () -> EventLoopFuture<ControlReply> in
            let promise = loop.makePromise(of: ControlReply.self)
            guard let (core, listeners) = parts.value else {
                return loop.makeFailedFuture(TestSupportError.missing("the broker"))
            }
            BrokerCommands(core: core, listeners: listeners) { promise.succeed($0) }
                .answer(ControlRequest(id: 1, command: name, arguments: arguments))
            return promise.futureResult
        }.get()
    }

    /// Ends as after a kill -9: nothing more is written, nobody is told.
    func crash() async throws {
        let parts = parts
        let loop = group.next()
        try await loop.flatSubmit { () -> EventLoopFuture<Void> in
            let promise = loop.makePromise(of: Void.self)
            guard let (core, listeners) = parts.value else { return loop.makeSucceededVoidFuture() }
            core.dispatcher.isStopping = true
            core.dispatcher.batch = WriteBatch()
            listeners.close()
            core.store.close { promise.succeed() }
            return promise.futureResult
        }.get()
        try await group.shutdownGracefully()
    }

    func stop() async throws { try await crash() }
}

/// A worker of the plugin `bench` that does what the test says.
final class FakeWorker: Sendable {
    struct Item: Sendable {
        var delivered: DeliveredItem
        var payload: String
        var shared: String
        var lane: String
        var cursor: String
    }

    let items = EventLog<Item>()
    let enqueued = EventLog<String?>()
    private let channel: any Channel

    init(path: String, group: any EventLoopGroup) async throws {
        let (items, enqueued) = (items, enqueued)
        channel = try await ClientBootstrap(group: group).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandlers([
                    ByteToMessageHandler(LinkMessageDecoder()), MessageToByteHandler(LinkMessageEncoder()),
                    Reader(items: items, enqueued: enqueued),
                ])
            }
        }.connect(unixDomainSocketPath: path).get()
    }

    func hello(_ credits: [(String, Int)], journal: String) async throws {
        try await send(
            .hello(
                LinkHello(
                    plugin: PluginName(unchecked: "bench"),
                    pluginVersion: "1.0",
                    generation: 1,
                    pid: 4_000_000,
                    journalPath: journal,
                    queues: credits.map { QueueCredit(queue: QueueName(unchecked: $0.0), credit: UInt32($0.1)) }
                )
            )
        )
    }

    func send(_ message: LinkMessage) async throws { try await channel.writeAndFlush(message) }

    func end(_ item: Item, _ outcome: Outcome, staging staged: [NewItem] = []) async throws {
        try await send(.results([ItemResult(id: item.delivered.id, outcome: outcome, staged: staged)]))
    }

    func next(within limit: Duration = .seconds(20)) async throws -> Item {
        try await items.next(within: limit, "an item")
    }

    func close() async throws { try await channel.close() }

    private final class Reader: ChannelInboundHandler {
        typealias InboundIn = LinkMessage
        let items: EventLog<Item>
        let enqueued: EventLog<String?>

        init(items: EventLog<Item>, enqueued: EventLog<String?>) {
            self.items = items
            self.enqueued = enqueued
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .deliver(let batch):
                for item in batch.items {
                    func text(_ span: ByteSpan) -> String {
                        batch.bytes.getString(
                            at: batch.bytes.readerIndex + Int(span.offset),
                            length: Int(span.count)
                        ) ?? ""
                    }
                    items.append(
                        Item(
                            delivered: item,
                            payload: text(item.payload),
                            shared: text(item.shared),
                            lane: text(item.lane),
                            cursor: text(item.cursor)
                        )
                    )
                }
            case .enqueued(_, let error): enqueued.append(error)
            default: break
            }
        }

        func channelInactive(context: ChannelHandlerContext) { items.finish() }
    }
}
