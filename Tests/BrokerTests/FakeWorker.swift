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

    func hello(_ credits: [(String, Int)], journal: String, pid: Int32) async throws {
        let queues = credits.map { QueueCredit(queue: QueueName(unchecked: $0.0), credit: UInt32($0.1)) }
        try await hello(queues, journal: journal, pid: pid)
    }

    func hello(_ queues: [QueueCredit], journal: String, pid: Int32, plugin: String = "bench") async throws {
        try await send(
            .hello(
                LinkHello(
                    plugin: PluginName(unchecked: plugin),
                    pluginVersion: "1.0",
                    generation: 1,
                    pid: pid,
                    journalPath: journal,
                    queues: queues
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

    /// Of many at once.
    func end(_ items: [Item], _ outcome: Outcome) async throws {
        try await send(.results(items.map { ItemResult(id: $0.delivered.id, outcome: outcome) }))
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
