// SPDX-License-Identifier: Apache-2.0
import Logging
import NIOCore
import NIOPosix
import QueueCore
import WorkerLink

/// The worker link to the embedded broker: items in batches over a Unix socket, results gathered to one message per turn
/// of the loop.
///
/// Outcomes of deliveries belong to the link that they came by; the broker delivers what was in flight on a broken one
/// anew, marked as maybe a duplicate. Confined to the worker's loop.
final class EmbeddedBrokerPort: BrokerPort {
    /// Results that travel together at most; more go at once, so that the broker can commit while the rest is made.
    private static let fullBatch = 64

    private let loop: any EventLoop
    private let socketPath: String
    private var hello: LinkHello
    private let logger: Logger
    private weak var receiver: (any ClaimReceiver)?
    private var channel: (any Channel)?
    private var backoff = LinkBackoff()
    private var results: [ItemResult] = []
    private var willFlush = false
    private var nextRequest: UInt64 = 1
    private var requests: [UInt64: (String?) -> Void] = [:]
    private var refused: Set<SiteName> = []
    private var refusesAll = false
    private var holds = QueueHolds()
    private var isStopped = false

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
        guard channel != nil else { return }
        results.append(result)
        if results.count >= Self.fullBatch {
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
        isStopped = true
        writeResults()
        guard let channel else {
            done()
            return
        }
        // Writes keep their order: an empty one behind the last result tells that it is out.
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
        guard !results.isEmpty else { return }
        channel?.writeAndFlush(LinkMessage.results(results), promise: nil)
        results.removeAll(keepingCapacity: true)
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
        channel.write(LinkMessage.hello(hello), promise: nil)
        if refusesAll { channel.write(LinkMessage.refuse([]), promise: nil) }
        if !refused.isEmpty { channel.write(LinkMessage.refuse(refused.sorted()), promise: nil) }
        for hold in holds.inForce(nowMs: nowMs) { channel.write(hold, promise: nil) }
        channel.flush()
        receiver?.connected()
    }

    fileprivate func received(_ message: LinkMessage) {
        switch message {
        case .deliver(let batch): receiver?.deliver(batch)
        case .cancel(let deliveries): receiver?.cancel(deliveries)
        case .enqueued(let request, let error): requests.removeValue(forKey: request)?(error)
        case .hello, .results, .enqueue, .hold, .refuse, .accept, .serve:
            logger.warning("the broker sent a message that only workers send; it is ignored")
        }
    }

    fileprivate func closed(_ error: (any Error)?) {
        guard channel != nil else { return }
        channel = nil
        results.removeAll(keepingCapacity: true)
        let waiting = requests
        requests = [:]
        if !isStopped {
            logger.warning(
                "the link to the broker is lost; connecting again",
                metadata: error.map { ["error": "\($0)"] } ?? [:]
            )
        }
        receiver?.disconnected()
        for completion in waiting.values { completion("the link to the broker was lost before the items were durable") }
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
    func channelInactive(context: ChannelHandlerContext) { port.closed(error) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.error = error
        context.close(promise: nil)
    }
}
