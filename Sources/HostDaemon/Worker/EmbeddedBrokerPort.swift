// SPDX-License-Identifier: Apache-2.0
import DequeModule
import Logging
import NIOCore
import NIOPosix
import QueueCore
import WorkerLink

/// The worker link to the embedded broker: items in batches over a Unix socket, results gathered to one message per turn
/// of the loop.
///
/// A result is kept until the broker has it on disk. When the link breaks, or the broker dies, the next hello names what
/// is still in the plugin, and the results that may be lost are sent once more: neither is delivered a second time
/// (docs/decisions/0010). Confined to the worker's loop.
final class EmbeddedBrokerPort: BrokerPort {
    /// Results that travel together at most; more go at once, so that the broker can commit while the rest is made.
    private static let fullBatch = 64
    /// At the end of a worker a broker that isn't there gets so long to come and take the last results.
    private static let lastWait = TimeAmount.seconds(5)

    private let loop: any EventLoop
    private let socketPath: String
    private var hello: LinkHello
    private let logger: Logger
    private weak var receiver: (any ClaimReceiver)?
    private var channel: (any Channel)?
    private var backoff = LinkBackoff()
    /// Deliveries that the broker may still count as this worker's, by id.
    private var claims: [UInt64: HeldDelivery] = [:]
    private var lastDelivery: UInt64 = 0
    /// Not known to be on disk; first first.
    private var unsettled = Deque<ItemResult>()
    /// Of those, how many were written to this link, from the first one.
    private var written = 0
    /// How many of this link's the broker has on disk.
    private var acknowledged: UInt64 = 0
    private var willFlush = false
    private var nextRequest: UInt64 = 1
    private var requests: [UInt64: (String?) -> Void] = [:]
    private var refused: Set<SiteName> = []
    private var refusesAll = false
    private var holds = QueueHolds()
    private var isStopped = false
    /// It is to end as soon as all results are on disk.
    private var whenStopped: (() -> Void)?

    init(loop: any EventLoop, socketPath: String, hello: LinkHello, logger: Logger) {
        self.loop = loop
        self.socketPath = socketPath
        self.hello = hello
        self.logger = logger
    }

    // MARK: - BrokerPort

    func start(_ receiver: any ClaimReceiver) {
        self.receiver = receiver
        connect()
    }

    func refuse(_ sites: [SiteName]) {
        if sites.isEmpty { refusesAll = true } else { refused.formUnion(sites) }
        send(.refuse(sites))
    }

    func accept(_ sites: [SiteName]) {
        refused.subtract(sites)
        if !sites.isEmpty { send(.accept(sites)) }
    }

    func serve(_ queues: [QueueCredit]) {
        hello.queues = queues
        send(.serve(queues))
    }

    func settle(_ result: ItemResult) {
        unsettled.append(result)
        if unsettled.count - written >= Self.fullBatch {
            writeResults()
        } else if !willFlush {
            willFlush = true
            loop.assumeIsolated().execute {
                self.willFlush = false
                self.writeResults()
            }
        }
    }

    func enqueue(site: SiteName, _ items: [NewItem], completion: @escaping (String?) -> Void) {
        guard channel != nil else {
            loop.assumeIsolated().execute { completion("the broker can't be reached") }
            return
        }
        let request = nextRequest
        nextRequest += 1
        requests[request] = completion
        send(.enqueue(request: request, site: site, items))
    }

    func hold(site: SiteName, queue: QueueName, lane: String, ms: UInt32, text: String) {
        if lane.isEmpty { holds.note(site, queue, ms: ms, text: text, nowMs: nowMs) }
        send(.hold(site: site, queue: queue, lane: lane, ms: ms, text: text))
    }

    func stop(_ done: @escaping () -> Void) {
        whenStopped = done
        writeResults()
        guard !unsettled.isEmpty else { return finish() }
        loop.assumeIsolated().scheduleTask(in: Self.lastWait) { self.finish() }
    }

    private func finish() {
        guard let done = whenStopped else { return }
        whenStopped = nil
        isStopped = true
        guard let channel else {
            done()
            return
        }
        // Writes keep their order: an empty one behind the last message tells that it is out.
        channel.writeAndFlush(LinkMessage.results([])).assumeIsolated().whenComplete { _ in
            channel.close(promise: nil)
            done()
        }
    }

    // MARK: - The link

    private var nowMs: Int64 { Int64(NIODeadline.now().uptimeNanoseconds / 1_000_000) }

    private func send(_ message: LinkMessage) {
        // Results that came before go before.
        writeResults()
        channel?.writeAndFlush(message, promise: nil)
    }

    private func writeResults() {
        guard let channel else { return }
        while written < unsettled.count {
            let end = min(unsettled.count, written + Self.fullBatch)
            channel.writeAndFlush(LinkMessage.results(Array(unsettled[written..<end])), promise: nil)
            written = end
        }
    }

    /// The first so many results of this link are on disk.
    private func acknowledge(_ count: UInt64) {
        while acknowledged < count, written > 0, let result = unsettled.popFirst() {
            acknowledged += 1
            written -= 1
            claims[result.id] = nil
        }
        if unsettled.isEmpty { finish() }
    }

    private func connect() {
        guard !isStopped else { return }
        let me = NIOLoopBound(self, eventLoop: loop)
        ClientBootstrap(group: loop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([
                        ByteToMessageHandler(LinkMessageDecoder()), MessageToByteHandler(LinkMessageEncoder()),
                        LinkHandler(me.value),
                    ])
                }
            }
            .connect(unixDomainSocketPath: socketPath)
            .assumeIsolated()
            .whenFailure { error in
                self.logger.debug("the broker can't be reached yet", metadata: ["error": "\(error)"])
                self.reconnect()
            }
    }

    private func reconnect() {
        guard !isStopped else { return }
        loop.assumeIsolated().scheduleTask(in: backoff.failed()) { self.connect() }
    }

    fileprivate func opened(_ channel: any Channel) {
        self.channel = channel
        backoff.succeeded()
        hello.lastDelivery = lastDelivery
        hello.held = claims.values.sorted { $0.id < $1.id }
        channel.write(LinkMessage.hello(hello), promise: nil)
        if refusesAll { channel.write(LinkMessage.refuse([]), promise: nil) }
        if !refused.isEmpty { channel.write(LinkMessage.refuse(refused.sorted()), promise: nil) }
        for hold in holds.inForce(nowMs: nowMs) { channel.write(hold, promise: nil) }
        channel.flush()
        writeResults()
        receiver?.connected()
    }

    fileprivate func received(_ message: LinkMessage) {
        switch message {
        case .deliver(let batch):
            for item in batch.items {
                claims[item.id] = HeldDelivery(item)
                lastDelivery = max(lastDelivery, item.id)
            }
            receiver?.deliver(batch)
        case .settled(let count): acknowledge(count)
        case .cancel(let deliveries): receiver?.cancel(deliveries)
        case .enqueued(let request, let error): requests.removeValue(forKey: request)?(error)
        case .hello, .results, .enqueue, .hold, .refuse, .accept, .serve:
            logger.warning("the broker sent a message that only workers send; it is ignored")
        }
    }

    fileprivate func closed(_ error: (any Error)?) {
        guard channel != nil else { return }
        channel = nil
        written = 0
        acknowledged = 0
        // It would be handed out anew anyway.
        unsettled.removeAll { $0.outcome.code == .giveBack }
        let waiting = requests
        requests = [:]
        if !isStopped {
            logger.warning(
                "the link to the broker is lost; connecting again",
                metadata: error.map { ["error": "\($0)"] } ?? [:]
            )
        }
        let entered = receiver?.interrupted() ?? []
        let kept = entered.union(unsettled.map(\.id))
        claims = claims.filter { kept.contains($0.key) }
        for completion in waiting.values { completion("the link to the broker was lost before the items were durable") }
        if unsettled.isEmpty { finish() }
        reconnect()
    }
}

private final class LinkHandler: ChannelInboundHandler {
    typealias InboundIn = LinkMessage

    private let port: EmbeddedBrokerPort
    private var error: (any Error)?

    init(_ port: EmbeddedBrokerPort) { self.port = port }

    func channelActive(context: ChannelHandlerContext) { port.opened(context.channel) }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) { port.received(unwrapInboundIn(data)) }
    func channelInactive(context: ChannelHandlerContext) {
        // A write that fails ends the channel from within: whoever wrote isn't to be called before it has returned.
        context.eventLoop.assumeIsolated().execute { [self] in port.closed(error) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.error = error
        context.close(promise: nil)
    }
}
