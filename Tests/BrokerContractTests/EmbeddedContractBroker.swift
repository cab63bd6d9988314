// SPDX-License-Identifier: Apache-2.0
import Control
import Foundation
import Glibc
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import QueueCore
import QueueStore
import TestSupport
import WorkerLink

@testable import Broker
@testable import Worker

/// The embedded broker with its store and its sockets, and the port that workers use.
final class EmbeddedContractBroker: ContractBroker {
    let loop: any EventLoop = MultiThreadedEventLoopGroup.singleton.next()
    private let directory: TemporaryDirectory
    private let configuration: BrokerConfiguration
    /// Of all workers: they are this process's.
    private let journal: NIOLoopBound<InFlightJournal>
    private let running: NIOLockedValueBox<Running>
    private static let silent = Logger(label: "contract") { _ in SwiftLogNoOpLogHandler() }

    private struct Running {
        var group: MultiThreadedEventLoopGroup
        var parts: NIOLoopBound<(BrokerCore, Listeners)>
    }

    init() async throws {
        directory = try TemporaryDirectory()
        var configuration = BrokerConfiguration(stateDirectory: directory.path)
        let bench = PluginName(unchecked: "bench")
        configuration.sites = ["alice", "bob"].map {
            SiteEntry(nickname: SiteName(unchecked: $0), server: "\($0).example", plugins: [bench])
        }
        let descriptor = PluginDescriptor(
            id: "org.example.bench",
            version: "1.0",
            abi: ABIVersion(major: 1, needMinor: 0, builtMinor: 0),
            handlers: [
                HandlerDescriptor(queue: QueueName(unchecked: "stage"), maxInFlight: 2),
                HandlerDescriptor(queue: QueueName(unchecked: "out"), maxInFlight: 64),
                HandlerDescriptor(queue: QueueName(unchecked: "ordered"), isOrdered: true, maxInFlight: 64),
            ]
        )
        configuration.plugins = [PluginEntry(name: bench, descriptor: descriptor, isLoaded: true)]
        self.configuration = configuration
        let journals = directory.file("journals")
        try FileManager.default.createDirectory(atPath: journals, withIntermediateDirectories: true)
        let loop = loop
        journal = try await loop.submit {
            let journal = try InFlightJournal(path: journals + "/bench.journal", slots: 64)
            journal.lock()
            return NIOLoopBound(journal, eventLoop: loop)
        }.get()
        running = NIOLockedValueBox(try await Self.start(configuration))
    }

    private static func start(_ configuration: BrokerConfiguration) async throws -> Running {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        let parts = try await loop.submit {
            let store = try QueueStore(path: configuration.storePath) { work in loop.execute(work) }
            let core = BrokerCore(
                configuration: configuration,
                loop: loop,
                store: store,
                clock: SystemBrokerClock(),
                log: silent
            )
            return NIOLoopBound((core, Listeners(core, WorkerRegistry(loop: loop, log: silent))), eventLoop: loop)
        }.get()
        try await loop.flatSubmit {
            let promise = loop.makePromise(of: Void.self)
            parts.value.0.start { error in
                if let error { promise.fail(error) } else { promise.succeed() }
            }
            return promise.futureResult.flatMap { parts.value.1.open(group: group) }
        }.get()
        return Running(group: group, parts: parts)
    }

    func makePort(_ credits: [QueueCredit], isHunter: Bool) -> any BrokerPort {
        let hello = LinkHello(
            plugin: PluginName(unchecked: "bench"),
            pluginVersion: "1.0",
            generation: 1,
            pid: getpid(),
            journalPath: journal.value.path,
            isHunter: isHunter,
            queues: credits
        )
        return EmbeddedBrokerPort(
            loop: loop,
            socketPath: configuration.workerSocket,
            hello: hello,
            logger: Self.silent
        )
    }

    /// Another broker takes over the store.
    func breakLinks() async throws {
        try await stop()
        let next = try await Self.start(configuration)
        running.withLockedValue { $0 = next }
    }

    /// As the role drains.
    func stop() async throws {
        let running = running.withLockedValue { $0 }
        let loop = running.group.next()
        try await loop.flatSubmit {
            let promise = loop.makePromise(of: Void.self)
            let (core, listeners) = running.parts.value
            listeners.close()
            core.dispatcher.isStopping = true
            core.dispatcher.flushWrites()
            core.store.close { promise.succeed() }
            return promise.futureResult
        }.get()
        try await running.group.shutdownGracefully()
    }
}
