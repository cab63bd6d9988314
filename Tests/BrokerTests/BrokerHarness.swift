// SPDX-License-Identifier: Apache-2.0
import Control
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import QueueCore
import QueueStore
import TestSupport
import WorkerLink

@testable import Broker

/// The real broker, sockets and store included, in this process.
final class BrokerHarness: Sendable {
    let directory: TemporaryDirectory
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let clock: any BrokerClock
    let commands = EventLog<String>()
    /// Plugins that need a hunter, each time the supervisor is told.
    let hunted = EventLog<[String]>()
    private let parts: NIOLoopBoundBox<(BrokerCore, Listeners)?>
    let configuration: BrokerConfiguration

    static let bench = PluginDescriptor(
        id: "org.example.bench",
        version: "1.0",
        abi: ABIVersion(major: 1, needMinor: 0, builtMinor: 0),
        handlers: [
            HandlerDescriptor(queue: QueueName(unchecked: "stage"), takesNotices: true, maxInFlight: 2),
            HandlerDescriptor(queue: QueueName(unchecked: "out"), maxInFlight: 64),
            HandlerDescriptor(queue: QueueName(unchecked: "ordered"), isOrdered: true, maxInFlight: 64),
            HandlerDescriptor(queue: QueueName(unchecked: "single"), isSingleton: true, maxInFlight: 64),
        ],
        outputs: [QueueName(unchecked: "xmppin")]
    )

    /// Sites `alice` (server alice.example) and `bob` enable the plugin `bench`; `carol` enables none.
    init(
        directory: TemporaryDirectory? = nil,
        clock: any BrokerClock = SystemBrokerClock(),
        maxPages: Int? = nil,
        diskFree: NIOLockedValueBox<Int64>? = nil,
        doors: BrokerDoors? = nil,
        change: (inout BrokerConfiguration) -> Void = { _ in }
    ) async throws {
        self.directory = try directory ?? TemporaryDirectory()
        self.clock = clock
        var configuration = BrokerConfiguration(stateDirectory: self.directory.path)
        configuration.listenHost = "127.0.0.1"
        configuration.version = "test"
        let bench = PluginName(unchecked: "bench")
        configuration.sites = ["alice", "bob"].map {
            SiteEntry(nickname: SiteName(unchecked: $0), server: "\($0).example", plugins: [bench])
        }
        configuration.sites.append(SiteEntry(nickname: SiteName(unchecked: "carol"), server: "c.example", plugins: []))
        configuration.plugins = [PluginEntry(name: bench, descriptor: Self.bench, isLoaded: true)]
        change(&configuration)
        self.configuration = configuration
        let loop = group.next()
        parts = NIOLoopBoundBox.makeEmptyBox(valueType: (BrokerCore, Listeners).self, eventLoop: loop)
        var free: (@Sendable () -> Int64?)?
        if let diskFree { free = { diskFree.withLockedValue { Optional($0) } } }
        let readFree = free
        let (settled, log, group, hunted) = (configuration, commands, group, hunted)
        let parts = parts
        try await loop.flatSubmit { () -> EventLoopFuture<Void> in
            do {
                let store = try QueueStore(path: settled.storePath, maxPages: maxPages, diskFree: readFree) { work in
                    loop.execute(work)
                }
                let core = BrokerCore(
                    configuration: settled,
                    loop: loop,
                    store: store,
                    clock: clock,
                    log: Logger(label: "broker") { _ in SwiftLogNoOpLogHandler() }
                )
                core.sendCommand = { name, arguments in
                    log.append(([name] + arguments.values.compactMap(\.string)).joined(separator: " "))
                }
                core.dispatcher.sendHunted = { plugins in hunted.append(plugins.map(\.rawValue)) }
                let listeners = Listeners(core, WorkerRegistry(loop: loop, log: core.log))
                parts.value = (core, listeners)
                let promise = loop.makePromise(of: Void.self)
                core.start { error in
                    if let error { promise.fail(error) } else { promise.succeed() }
                }
                return promise.futureResult.flatMap {
                    parts.value?.1.open(group: group, doors: doors) ?? loop.makeSucceededVoidFuture()
                }
            } catch {
                return loop.makeFailedFuture(error)
            }
        }.get()
    }

    /// Runs `work` on the broker's loop.
    func onLoop<Result: Sendable>(_ work: @escaping @Sendable (BrokerCore) throws -> Result) async throws -> Result {
        let parts = parts
        return try await group.next().submit {
            guard let core = parts.value?.0 else { throw TestSupportError.missing("the broker") }
            return try work(core)
        }.get()
    }

    /// What the dispatcher holds, for a failed test's message.
    func describe() async throws -> String {
        try await onLoop { core in
            let sources = core.dispatcher.lines.values.flatMap { line in
                line.sources.values.map { source in
                    "\(line.name)/\(source.site): \(source.claimed) claimed, \(source.waiting) wait"
                }
            }
            let lanes = core.dispatcher.lanes.values.map { lane in
                "lane \(lane.key): \(lane.machine), backlog \(lane.hasBacklog), loading \(lane.isLoading), "
                    + "listed \(lane.isListed), active \(lane.active)"
            }
            return (sources + lanes + ["due \(core.dispatcher.due.nextMs), now \(core.clock.steadyMs)"])
                .joined(separator: "; ")
        }
    }

    func port() async throws -> Int {
        let parts = parts
        let port = try await group.next().submit { parts.value?.1.port }.get()
        guard let port else { throw TestSupportError.missing("the port") }
        return port
    }

    /// Sends these numbers as items of queue `out`, each once the one before it is on disk.
    func send(
        _ bodies: some Sequence<Int>,
        site: String = "alice",
        target: String,
        headers: [String: String] = [:]
    ) async throws {
        let client = try await stomp()
        // STOMP's escape of a colon.
        let escaped = target.replacing(":", with: "\\c")
        let more = headers.map { "\($0.key):\($0.value)\n" }.joined()
        for body in bodies {
            try await client.send(
                "SEND\ndestination:/queue/statusnet/main\nsite:\(site)\nqueue:out\ntarget:\(escaped)\n"
                    + "receipt:\(body)\n\(more)\n\(body)\0"
            )
            try await client.receipt("\(body)")
        }
    }

    func stomp(version: String? = "1.2") async throws -> StompTestClient {
        let client = try await StompTestClient.connect(port: try await port())
        try await client.connect(version: version)
        return client
    }

    /// No process has the process ids of fake workers: they are beyond the kernel's range.
    func worker(
        _ credits: [(String, Int)] = [("stage", 2), ("out", 64), ("ordered", 64)],
        pid: Int32 = 5_000_000,
        isHunter: Bool = false
    ) async throws -> FakeWorker {
        let worker = try await FakeWorker(path: configuration.workerSocket, group: group)
        try await worker.hello(credits, journal: journalPath(pid), pid: pid, isHunter: isHunter)
        return worker
    }

    func journalPath(_ pid: Int32) -> String { directory.file("journal-\(pid)") }

    /// The supervisor's word of a worker's death.
    func exited(pid: Int32, cause: String) async throws {
        let parts = parts
        try await group.next().submit {
            if let (_, listeners) = parts.value { listeners.workers.exited(pid: pid, cause: cause) }
        }.get()
    }

    /// As in a drain: no more connections, and those that are there end.
    func endSessions() async throws {
        let parts = parts
        try await group.next().submit {
            parts.value?.1.close()
            parts.value?.1.endSessions()
        }.get()
    }

    func workers() async throws -> Int {
        let parts = parts
        return try await group.next().submit { parts.value?.1.workers.sessions.count ?? 0 }.get()
    }

    /// Items that workers and subscribers hold.
    func claimed() async throws -> Int {
        try await onLoop { core in
            core.dispatcher.lines.values.reduce(0) { sum, line in line.sources.values.reduce(sum) { $0 + $1.claimed } }
        }
    }

    /// Waits until all outcomes but those of so many items came in, and are on disk.
    func settled(claimed wanted: Int = 0) async throws {
        do {
            try await eventually("\(wanted) items are claimed") { try await claimed() == wanted }
        } catch {
            throw TestSupportError.missing("an end to what is claimed (\(try await describe()))")
        }
        let parts = parts
        let loop = group.next()
        try await loop.flatSubmit { () -> EventLoopFuture<Void> in
            let promise = loop.makePromise(of: Void.self)
            guard let (core, _) = parts.value else {
                return loop.makeFailedFuture(TestSupportError.missing("the broker"))
            }
            core.dispatcher.whenWritten { promise.succeed() }
            return promise.futureResult
        }.get()
    }

    /// Moves the clock, and lets the broker look at it: the loop's timers go by the real one.
    func advance(_ clock: VirtualBrokerClock, ms: Int64) async throws {
        clock.advance(ms: ms)
        try await onLoop { core in
            core.dispatcher.scheduleDue()
            core.dispatcher.touchAll()
        }
    }

    func command(_ name: String, _ arguments: [String: JSONValue] = [:]) async throws -> ControlReply {
        let parts = parts
        let loop = group.next()
        return try await loop.flatSubmit { () -> EventLoopFuture<ControlReply> in
            let promise = loop.makePromise(of: ControlReply.self)
            guard let (core, listeners) = parts.value else {
                return loop.makeFailedFuture(TestSupportError.missing("the broker"))
            }
            BrokerCommands(core: core, listeners: listeners) { promise.succeed($0) }
                .answer(ControlRequest(id: 1, command: name, arguments: arguments))
            return promise.futureResult
        }.get()
    }

    /// Ends as after a kill -9: nothing more is written, nobody is told.
    func crash() async throws {
        let parts = parts
        let loop = group.next()
        try await loop.flatSubmit { () -> EventLoopFuture<Void> in
            let promise = loop.makePromise(of: Void.self)
            guard let (core, listeners) = parts.value else { return loop.makeSucceededVoidFuture() }
            core.dispatcher.isStopping = true
            core.dispatcher.batch = WriteBatch()
            listeners.close()
            core.deadFiles.stop { core.store.close { promise.succeed() } }
            return promise.futureResult
        }.get()
        try await group.shutdownGracefully()
    }

    func stop() async throws { try await crash() }
}
