// SPDX-License-Identifier: Apache-2.0
import NIOCore
import PluginHost
import QueueCore
import TestSupport
import Worker
import WorkerLink

/// A worker of the contract: notes what it is given, and says what a test wants.
final class ContractWorker: Sendable {
    struct Item: Sendable {
        let delivered: DeliveredItem
        let payload: String
        let shared: String
        let lane: String
        let cursor: String

        var isMaybeDuplicate: Bool { delivered.flags.contains(.maybeDuplicate) }
    }

    let items = EventLog<Item>()
    /// `connected`, `interrupted`.
    let links = EventLog<String>()
    private let loop: any EventLoop
    private let port: NIOLoopBound<any BrokerPort>
    private let receiver: NIOLoopBound<Receiver>

    /// Returns once it claims.
    ///
    /// `goesOn`: what it was given is in its handlers, and stays there when a link breaks.
    init(
        _ broker: any ContractBroker,
        credits: [String: UInt32] = ["stage": 2, "out": 64, "ordered": 64],
        isHunter: Bool = false,
        goesOn: Bool = false
    ) async throws {
        let loop = broker.loop
        let (items, links) = (items, links)
        self.loop = loop
        (port, receiver) = try await loop.submit {
            let port = broker.makePort(
                credits.sorted { $0.key < $1.key }
                    .map { QueueCredit(queue: QueueName(unchecked: $0.key), credit: $0.value) },
                isHunter: isHunter
            )
            let receiver = Receiver(items: items, links: links, goesOn: goesOn)
            port.start(receiver)
            return (NIOLoopBound(port, eventLoop: loop), NIOLoopBound(receiver, eventLoop: loop))
        }.get()
        _ = try await links.first("a link") { $0 == "connected" }
    }

    private func onLoop(_ body: @escaping @Sendable (any BrokerPort) -> Void) async throws {
        let port = port
        try await loop.submit { body(port.value) }.get()
    }

    func next(_ what: String = "an item") async throws -> Item { try await items.next(what) }

    /// So many, in the order in which they came.
    func next(_ count: Int) async throws -> [Item] {
        var taken: [Item] = []
        for number in 1...count { taken.append(try await next("item \(number) of \(count)")) }
        return taken
    }

    func settle(_ item: Item, _ outcome: Outcome, staging staged: [NewItem] = []) async throws {
        try await onLoop { $0.settle(ItemResult(id: item.delivered.id, outcome: outcome, staged: staged)) }
    }

    /// Returns once they are durable, and so is all that was settled before.
    func enqueue(_ site: String, _ new: NewItem...) async throws {
        let answers = EventLog<String?>()
        try await onLoop { $0.enqueue(site: SiteName(unchecked: site), new) { answers.append($0) } }
        if let error = try await answers.next(within: .seconds(20), "the answer to an enqueue") {
            throw TestSupportError.cannotCreate("an item", reason: error)
        }
    }

    func hold(_ site: String, _ queue: String, lane: String = "", ms: UInt32) async throws {
        try await onLoop {
            $0.hold(
                site: SiteName(unchecked: site),
                queue: QueueName(unchecked: queue),
                lane: lane,
                ms: ms,
                text: "test"
            )
        }
    }

    func refuse(_ sites: String...) async throws {
        try await onLoop { $0.refuse(sites.map(SiteName.init(unchecked:))) }
    }

    func accept(_ sites: String...) async throws {
        try await onLoop { $0.accept(sites.map(SiteName.init(unchecked:))) }
    }

    func stop() async throws {
        let ends = EventLog<Bool>()
        try await onLoop { $0.stop { ends.append(true) } }
        _ = try await ends.next(within: .seconds(20), "the port's end")
    }

    private final class Receiver: ClaimReceiver {
        private let items: EventLog<Item>
        private let links: EventLog<String>
        private let goesOn: Bool

        init(items: EventLog<Item>, links: EventLog<String>, goesOn: Bool) {
            self.items = items
            self.links = links
            self.goesOn = goesOn
        }

        func connected() { links.append("connected") }
        func interrupted() -> Set<UInt64> {
            links.append("interrupted")
            return goesOn ? Set(items.all.map(\.delivered.id)) : []
        }
        func cancel(_ deliveries: [UInt64]) {}

        func deliver(_ batch: DeliveredBatch) {
            let view = batch.bytes.readableBytesView
            func text(_ span: ByteSpan) -> String {
                String(decoding: view.dropFirst(Int(span.offset)).prefix(Int(span.count)), as: UTF8.self)
            }
            items.append(
                contentsOf: batch.items.map { item in
                    Item(
                        delivered: item,
                        payload: text(item.payload),
                        shared: text(item.shared),
                        lane: text(item.lane),
                        cursor: text(item.cursor)
                    )
                }
            )
        }
    }
}

extension NewItem {
    /// Of the queue `out` unless told otherwise.
    init(_ payload: String, queue: String = "out", target: String = "", change: (inout NewItem) -> Void = { _ in }) {
        self.init(queue: QueueName(unchecked: queue), payload: Array(payload.utf8))
        self.target = target
        change(&self)
    }
}

extension Outcome {
    /// Such a one comes again after `delayMs`.
    static func again(after delayMs: UInt32, _ code: OutcomeCode = .retry) -> Outcome {
        var outcome = Outcome(code, reason: .other, text: "again")
        outcome.delayMs = delayMs
        return outcome
    }
}

extension UInt32 {
    /// Milliseconds: longer than any test.
    static let long: UInt32 = 600_000
}
