// SPDX-License-Identifier: Apache-2.0
import Control
import Foundation
import Logging
import NIOCore
import NIOPosix
import PluginFiles
import PluginHost
import QueueCore
import TestSupport
import WorkerLink

@testable import Worker

/// A worker in this process, with a fake broker and a supervisor that a test plays.
final class RunningWorker: Sendable {
    let directory: TemporaryDirectory
    let said = EventLog<ChildMessage>()
    /// The exit status.
    let exits = EventLog<Int32>()
    let broker = FakeBrokerPort.Notes()
    let loop: any EventLoop
    let configuration: WorkerConfiguration
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let parts: NIOLoopBoundBox<(worker: Worker?, brokers: [PluginName: FakeBrokerPort])>

    /// With two sites, alice and bob; `bob` gets `values`.
    ///
    /// `isShared`: minimal.c is in the same process, and writes its lines to `out`.
    init(
        bob values: [String: String] = [:],
        handlerTimeoutMs: Int = 60_000,
        isShared: Bool = false,
        macros: [String: String] = [:]
    ) async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("scripted.so")
        try await CPlugin.build("scripted", to: path, macros: macros, adding: ["-pthread"])
        let descriptor = try LoadedPlugin(path: path).descriptor
        var configuration = WorkerConfiguration(
            plugin: PluginName(unchecked: "scripted"),
            pluginPath: path,
            descriptor: descriptor,
            generation: 3,
            index: 0,
            stateDirectory: directory.path,
            workerSocket: directory.file("worker.sock"),
            sites: [Self.site("alice"), Self.site("bob", values)]
        )
        configuration.handlerTimeoutMs = handlerTimeoutMs
        configuration.version = "1.2.3"
        if isShared {
            configuration.isShared = true
            let path = directory.file("minimal.so")
            try await CPlugin.build("minimal", to: path)
            configuration.others = [
                WorkerConfiguration(
                    plugin: Self.minimal,
                    pluginPath: path,
                    descriptor: try LoadedPlugin(path: path).descriptor,
                    generation: 2,
                    index: 0,
                    stateDirectory: directory.path,
                    workerSocket: directory.file("worker.sock"),
                    sites: [Self.site("alice", ["out": directory.file("out")])]
                )
            ]
        }
        self.directory = directory
        self.configuration = configuration
        let loop = group.next()
        self.loop = loop
        let (said, exits, notes) = (said, exits, broker)
        let parts = NIOLoopBoundBox<(worker: Worker?, brokers: [PluginName: FakeBrokerPort])>.makeBoxSendingValue(
            (nil, [:]),
            eventLoop: loop
        )
        self.parts = parts
        try await loop.submit {
            let surroundings = Worker.Surroundings(
                port: { configuration, _ in
                    let broker = FakeBrokerPort(loop: loop, notes: notes)
                    parts.value.brokers[configuration.plugin] = broker
                    return broker
                },
                send: { said.append($0) },
                exit: { status, last in
                    if let last { said.append(last) }
                    exits.append(status)
                },
                abort: { line in said.append(.failed(line)) }
            )
            parts.value.worker = Worker(
                loop: loop,
                surroundings: surroundings,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            )
        }.get()
    }

    static let minimal = PluginName(unchecked: "minimal")

    deinit { group.shutdownGracefully { _ in } }

    static func site(_ name: String, _ values: [String: String] = [:]) -> WorkerSite {
        WorkerSite(
            nickname: SiteName(unchecked: name),
            server: "\(name).example",
            name: name,
            root: "http://\(name).example/",
            values: values
        )
    }

    func tell(_ message: SupervisorMessage) async throws {
        let parts = parts
        try await loop.submit { parts.value.worker?.receive(message) }.get()
    }

    /// Tells its configuration and waits until it is ready.
    func start() async throws {
        try await tell(.configure(.worker(configuration)))
        _ = try await said.first("ready") { $0 == .ready }
    }

    /// Delivers one item.
    func deliver(
        _ id: UInt64,
        _ command: String,
        site: String = "alice",
        timeoutMs: UInt32 = 0,
        to plugin: PluginName = PluginName(unchecked: "scripted"),
        queue: String = "in"
    ) async throws {
        let parts = parts
        try await loop.submit {
            var item = DeliveredItem(
                id: id,
                item: id,
                site: SiteName(unchecked: site),
                queue: QueueName(unchecked: queue)
            )
            item.payload = ByteSpan(offset: 0, count: UInt32(command.utf8.count))
            item.timeoutMs = timeoutMs
            parts.value.brokers[plugin]?.deliver(DeliveredBatch(bytes: ByteBuffer(string: command), items: [item]))
        }.get()
    }

    func result(_ id: UInt64) async throws -> Outcome {
        try await broker.results.first("the outcome of \(id)") { $0.id == id }.outcome
    }

    func run(_ id: UInt64, _ command: String, site: String = "alice") async throws -> Outcome {
        try await deliver(id, command, site: site)
        return try await result(id)
    }
}
