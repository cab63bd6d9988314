// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix
import QueueCore
import TestSupport
import WorkerLink

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
    /// Deliveries that the broker wanted to end.
    let cancelled = EventLog<[UInt64]>()
    /// How many results are on disk, each time that the broker said it.
    let settled = EventLog<UInt64>()
    private let channel: any Channel

    init(path: String, group: any EventLoopGroup) async throws {
        let (items, enqueued, cancelled, settled) = (items, enqueued, cancelled, settled)
        channel = try await ClientBootstrap(group: group).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandlers([
                    ByteToMessageHandler(LinkMessageDecoder()), MessageToByteHandler(LinkMessageEncoder()),
                    Reader(items: items, enqueued: enqueued, cancelled: cancelled, settled: settled),
                ])
            }
        }.connect(unixDomainSocketPath: path).get()
    }

    func hello(_ credits: [(String, Int)], journal: String, pid: Int32, isHunter: Bool = false) async throws {
        let queues = credits.map { QueueCredit(queue: QueueName(unchecked: $0.0), credit: UInt32($0.1)) }
        try await hello(queues, journal: journal, pid: pid, isHunter: isHunter)
    }

    func hello(
        _ queues: [QueueCredit],
        journal: String,
        pid: Int32,
        plugin: String = "bench",
        isHunter: Bool = false,
        holding held: [Item] = []
    ) async throws {
        var hello = LinkHello(
            plugin: PluginName(unchecked: plugin),
            pluginVersion: "1.0",
            generation: 1,
            pid: pid,
            journalPath: journal,
            isHunter: isHunter,
            queues: queues
        )
        hello.held = held.map { HeldDelivery($0.delivered) }
        hello.lastDelivery = held.map(\.delivered.id).max() ?? 0
        try await send(.hello(hello))
    }

    func send(_ message: LinkMessage) async throws { try await channel.writeAndFlush(message) }

    func end(_ item: Item, _ outcome: Outcome, staging staged: [NewItem] = []) async throws {
        try await send(.results([ItemResult(id: item.delivered.id, outcome: outcome, staged: staged)]))
    }

    func next(within limit: Duration = .seconds(20)) async throws -> Item {
        try await items.next(within: limit, "an item")
    }

    func take(_ count: Int) async throws -> [Item] {
        var taken: [Item] = []
        for _ in 0..<count { taken.append(try await next()) }
        return taken
    }

    /// Of many at once.
    func end(_ items: [Item], _ outcome: Outcome) async throws {
        try await send(.results(items.map { ItemResult(id: $0.delivered.id, outcome: outcome) }))
    }

    func close() async throws { try await channel.close() }

    private final class Reader: ChannelInboundHandler {
        typealias InboundIn = LinkMessage
        let items: EventLog<Item>
        let enqueued: EventLog<String?>
        let cancelled: EventLog<[UInt64]>
        let settled: EventLog<UInt64>

        init(
            items: EventLog<Item>,
            enqueued: EventLog<String?>,
            cancelled: EventLog<[UInt64]>,
            settled: EventLog<UInt64>
        ) {
            self.items = items
            self.enqueued = enqueued
            self.cancelled = cancelled
            self.settled = settled
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
            case .cancel(let ids): cancelled.append(ids)
            case .settled(let count): settled.append(count)
            default: break
            }
        }

        func channelInactive(context: ChannelHandlerContext) { items.finish() }
    }
}

extension Outcome {
    /// Given up, to be kept as a dead letter.
    static func kept(_ text: String) -> Outcome {
        var outcome = Outcome(.discard, reason: .gone, text: text)
        outcome.keep = true
        return outcome
    }
}
