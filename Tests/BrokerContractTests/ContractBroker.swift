// SPDX-License-Identifier: Apache-2.0
import NIOCore
import QueueCore
import Testing
import Worker
import WorkerLink

/// A broker that the contract is held against, with the queues `stage`, `out` and `ordered` and the sites alice and bob.
protocol ContractBroker: Sendable {
    /// The loop of all its ports.
    var loop: any EventLoop { get }
    /// A worker's way to it, not yet started.
    ///
    /// On the loop. `isHunter`: for a worker that tries what may have ended others.
    func makePort(_ credits: [QueueCredit], isHunter: Bool) -> any BrokerPort
    /// Ends all links; ports get new ones by themselves.
    ///
    /// What was told before and answered since is kept.
    func breakLinks() async throws
    func stop() async throws
}

/// The brokers that exist.
///
/// To add one: a case here, and its `ContractBroker`.
enum BrokerKind: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case embedded, memory

    var testDescription: String { rawValue }

    /// Runs `body` with a fresh one.
    func run(_ body: (any ContractBroker) async throws -> Void) async throws {
        let broker: any ContractBroker =
            switch self {
            case .embedded: try await EmbeddedContractBroker()
            case .memory: try await MemoryContractBroker()
            }
        do {
            try await body(broker)
        } catch {
            try await broker.stop()
            throw error
        }
        try await broker.stop()
    }
}
