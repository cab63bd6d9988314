// SPDX-License-Identifier: Apache-2.0
import Foundation
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import QueueCore
import TestSupport
import WorkerLink

@testable import PluginHost

/// A C plugin of Tests/Fixtures at work on a loop of its own, as a worker has it, without a broker.
final class HostedPlugin: Sendable {
    static let site = SiteName(unchecked: "alice")
    static let queue = QueueName(unchecked: "in")

    let directory: TemporaryDirectory
    let sink = FakeSink()
    let loop: any EventLoop
    let instance: PluginInstance
    let journal: String
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    /// Loads and starts the plugin and opens the site `alice`.
    init(
        _ fixture: String = "scripted",
        macros: [String: String] = [:],
        values: [String: String] = [:],
        opensSite: Bool = true,
        _ adjust: (inout PluginSettings) -> Void = { _ in }
    ) async throws {
        let directory = try TemporaryDirectory()
        let path = try await BuiltPlugins.shared.path(fixture, macros)
        var settings = PluginSettings(
            plugin: PluginName(unchecked: "scripted"),
            hostVersion: "hostd 1.2.3",
            queues: [],
            recipientsPath: directory.file("recipients.db"),
            keyValuePath: directory.file("kv.db")
        )
        let plugin = try LoadedPlugin(path: path)
        settings.queues = plugin.descriptor.handlers.map(\.queue)
        adjust(&settings)
        let loop = group.next()
        let (sink, journal, ready) = (sink, directory.file("test.journal"), settings)
        instance = try await loop.submit {
            let instance = PluginInstance(
                plugin: plugin,
                settings: ready,
                loop: loop,
                sink: sink,
                journal: try InFlightJournal(path: journal, slots: 64),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            )
            try instance.start()
            if opensSite { try instance.open(Self.settings(values)) }
            return instance
        }.get()
        self.directory = directory
        self.loop = loop
        self.journal = journal
    }

    deinit {
        let instance = instance
        loop.execute { instance.shutDown() }
        group.shutdownGracefully { _ in }
    }

    static func settings(_ values: [String: String] = [:]) -> SiteSettings {
        SiteSettings(
            nickname: site,
            server: "alice.example",
            name: "Alice's",
            root: "http://alice.example/",
            values: values
        )
    }

    /// Runs something on the plugin's loop.
    func onLoop<Result: Sendable>(_ body: @escaping @Sendable (PluginInstance) throws -> Result) async throws -> Result
    {
        let instance = instance
        return try await loop.submit { try body(instance) }.get()
    }

    /// Delivers items that differ in their commands, as one batch; returns the deliveries' ids.
    @discardableResult
    func send(
        _ commands: [String],
        adjust: @escaping @Sendable (inout DeliveredItem, inout ByteBuffer) -> Void = { _, _ in }
    )
        async throws -> [UInt64]
    {
        let ids = commands.map { _ in sink.nextDelivery() }
        let queue = Self.queue
        try await onLoop { instance in
            var bytes = ByteBuffer()
            var items: [DeliveredItem] = []
            for (id, command) in zip(ids, commands) {
                var item = DeliveredItem(id: id, item: id + 1000, site: Self.site, queue: queue)
                item.payload = bytes.appendSpan(command)
                adjust(&item, &bytes)
                items.append(item)
            }
            instance.deliver(DeliveredBatch(bytes: bytes, items: items))
        }
        return ids
    }

    /// Delivers one item and waits for its outcome.
    @discardableResult
    func run(
        _ command: String,
        adjust: @escaping @Sendable (inout DeliveredItem, inout ByteBuffer) -> Void = { _, _ in }
    ) async throws -> ItemResult {
        let ids = try await send([command], adjust: adjust)
        return try await sink.results.first("the outcome of '\(command)'") { ids.contains($0.id) }
    }

    /// What the plugin found out.
    func answer(_ command: String) async throws -> String { try await run(command).outcome.text }

    /// The first report (a hold's text) that contains `text`.
    func report(_ text: String) async throws -> String {
        try await sink.holds.first("the report '\(text)'") { $0.text.contains(text) }.text
    }
}

private let removeAtExit = NIOLockedValueBox("")

/// Compiles each form of a fixture once for all tests: two instances in one process share its code and nothing else.
private actor BuiltPlugins {
    static let shared = BuiltPlugins()
    private var built: [String: Task<String, any Error>] = [:]
    private var directory: TemporaryDirectory?

    func path(_ fixture: String, _ macros: [String: String]) async throws -> String {
        let directory = try directory ?? TemporaryDirectory()
        if self.directory == nil {
            self.directory = directory
            removeAtExit.withLockedValue { $0 = directory.path }
            atexit { try? FileManager.default.removeItem(atPath: removeAtExit.withLockedValue { $0 }) }
        }
        let key = ([fixture] + macros.sorted { $0.key < $1.key }.map { "\($0.key)-\($0.value)" }).joined(separator: "-")
        let build =
            built[key]
            ?? Task {
                let path = directory.file("\(key).so")
                try await CPlugin.build(fixture, to: path, macros: macros, adding: ["-pthread"])
                return path
            }
        built[key] = build
        return try await build.value
    }
}

extension ByteBuffer {
    mutating func appendSpan(_ text: String) -> ByteSpan {
        let offset = writerIndex
        writeString(text)
        return ByteSpan(offset: UInt32(offset), count: UInt32(writerIndex - offset))
    }
}
