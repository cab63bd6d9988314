// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix
import PluginHost
import QueueCore
import Worker
import WorkerLink

/// A worker's way to a broker in memory.
///
/// Confined to the loop.
final class MemoryBrokerPort: BrokerPort, MemoryBroker.Claimant {
    private let loop: any EventLoop
    private let broker: MemoryBroker
    private var credits: [QueueName: QueueCredit]
    private weak var receiver: (any ClaimReceiver)?
    /// By delivery: the item, and its queue.
    private var inFlight: [UInt64: (item: UInt64, queue: QueueName)] = [:]
    private var nextDelivery: UInt64 = 1
    private var outbox: [(UInt64, MemoryBroker.StoredItem)] = []
    private var refused: Set<SiteName> = []
    private var refusesAll = false
    private var isConnected = false
    /// A handler missed its deadline: this worker gets nothing more.
    private var isEnding = false

    init(loop: any EventLoop, broker: MemoryBroker, credits: [QueueCredit]) {
        self.loop = loop
        self.broker = broker
        self.credits = Dictionary(uniqueKeysWithValues: credits.map { ($0.queue, $0) })
    }

    // MARK: BrokerPort

    func start(_ receiver: any ClaimReceiver) {
        self.receiver = receiver
        connect()
    }

    func refuse(_ sites: [SiteName]) {
        if sites.isEmpty { refusesAll = true } else { refused.formUnion(sites) }
    }

    func accept(_ sites: [SiteName]) {
        refused.subtract(sites)
        broker.touch()
    }

    func serve(_ queues: [QueueCredit]) {
        credits = Dictionary(uniqueKeysWithValues: queues.map { ($0.queue, $0) })
        broker.touch()
    }

    func settle(_ result: ItemResult) {
        guard let item = inFlight.removeValue(forKey: result.id)?.item else { return }
        if result.outcome.code == .overdue { isEnding = true }
        broker.settle(item, result.outcome, result.staged)
    }

    func enqueue(site: SiteName, _ items: [NewItem], completion: @escaping (String?) -> Void) {
        let error = isConnected ? nil : "the broker can't be reached"
        if isConnected { broker.add(site, items) }
        loop.assumeIsolated().execute { completion(error) }
    }

    func hold(site: SiteName, queue: QueueName, lane: String, ms: UInt32, text: String) {
        broker.hold(MemoryBroker.Lane(site: site, queue: queue, name: lane), ms: ms)
    }

    func stop(_ done: @escaping () -> Void) {
        leave()
        done()
    }

    // MARK: The link

    private func connect() {
        loop.assumeIsolated().execute {
            self.isConnected = true
            self.broker.join(self)
            self.receiver?.connected()
        }
    }

    private func leave() {
        isConnected = false
        // What the worker goes on with stays its own.
        let kept = receiver?.interrupted() ?? []
        broker.leave(self, claimed: inFlight.filter { !kept.contains($0.key) }.values.map(\.item))
        inFlight = inFlight.filter { kept.contains($0.key) }
        outbox = []
    }

    func breakLink() {
        guard isConnected else { return }
        leave()
        connect()
    }

    // MARK: Claimant

    func wants(_ item: MemoryBroker.StoredItem) -> Bool {
        guard !isEnding, !refusesAll, !refused.contains(item.site) else { return false }
        guard let credit = credits[item.new.queue], credit.sites.contains(item.site) else { return false }
        return inFlight.values.count { $0.queue == item.new.queue } < Int(credit.credit)
    }

    func take(_ item: MemoryBroker.StoredItem) {
        inFlight[nextDelivery] = (item.id, item.new.queue)
        outbox.append((nextDelivery, item))
        nextDelivery += 1
    }

    func flush() {
        guard !outbox.isEmpty else { return }
        var bytes = ByteBuffer()
        func span(_ part: some Collection<UInt8>) -> ByteSpan {
            let offset = bytes.writerIndex
            return ByteSpan(offset: UInt32(offset), count: UInt32(bytes.writeBytes(part)))
        }
        let items = outbox.map { id, item in
            var delivered = DeliveredItem(id: id, item: item.id, site: item.site, queue: item.new.queue)
            delivered.payload = span(item.new.payload)
            delivered.shared = span(item.new.shared)
            delivered.lane = span(item.lane.name.utf8)
            delivered.dedupeKey = span(item.new.dedupeKey.utf8)
            delivered.cursor = span(item.cursor)
            delivered.attempt = item.attempts + 1
            delivered.kills = item.kills
            if item.kills > 0 { delivered.flags.insert(.afterCrash) }
            if item.attempts >= MemoryBroker.maxRetries { delivered.flags.insert(.lastTry) }
            if item.mayBeDuplicate { delivered.flags.insert(.maybeDuplicate) }
            return delivered
        }
        outbox = []
        receiver?.deliver(DeliveredBatch(bytes: bytes, items: items))
    }
}

/// The memory broker, held against the contract.
final class MemoryContractBroker: ContractBroker {
    let loop: any EventLoop = MultiThreadedEventLoopGroup.singleton.next()
    private let parts: NIOLoopBoundBox<(broker: MemoryBroker, ports: [MemoryBrokerPort])>

    init() async throws {
        let loop = loop
        parts = try await loop.submit {
            let broker = MemoryBroker(loop: loop, ordered: [QueueName(unchecked: "ordered")])
            return NIOLoopBoundBox((broker, []), eventLoop: loop)
        }.get()
    }

    /// Any worker tries them.
    func makePort(_ credits: [QueueCredit], isHunter: Bool) -> any BrokerPort {
        let port = MemoryBrokerPort(loop: loop, broker: parts.value.broker, credits: credits)
        parts.value.ports.append(port)
        return port
    }

    func breakLinks() async throws {
        let parts = parts
        try await loop.submit { for port in parts.value.ports { port.breakLink() } }.get()
    }

    func stop() async throws {
        let parts = parts
        try await loop.submit { parts.value.ports = [] }.get()
    }
}
