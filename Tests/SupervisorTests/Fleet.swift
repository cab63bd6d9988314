// SPDX-License-Identifier: Apache-2.0
import Control
import Foundation
import Glibc
import HostConfig
import Logging
import NIOPosix
import QueueCore
import Synchronization
import TestSupport
import Testing

@testable import Supervisor

/// A supervisor with fake children, driven by a test.
///
/// Everything lies in a directory of its own.
final class Fleet: Sendable {
    let directory: TemporaryDirectory
    let inbox = SupervisorInbox()
    let plugins: FakePlugins
    private let status: Task<Int32, Never>
    private let children: Task<Void, Never>

    static let config = """
        state_dir: var
        workers: { count: 2, canary: 0s }
        queue: { listen: "", spawndelay: 10ms, drain_timeout: 20s }
        console: { listen: "" }
        """
    static let site = "server: alice.example\nplugins:\n  omb: {}\n"

    /// Starts the supervisor; its children come by themselves.
    ///
    /// `after`: what an earlier image left. `modes`: what the children do, by name or role (FakeChild).
    init(
        config: String = Fleet.config,
        sites: [String: String] = ["alice": Fleet.site],
        modes: [String: String] = [:],
        plugins: FakePlugins = FakePlugins(),
        memory: FakeMemory = FakeMemory(),
        after handover: ((TemporaryDirectory, ChildProcess.Program) throws -> Handover)? = nil,
        changing change: (TemporaryDirectory, inout SupervisorOptions) throws -> Void = { _, _ in }
    ) throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write(config, to: "hostd.yaml")
        for (nickname, text) in sites { try directory.write(text, to: "sites.d/\(nickname).yaml") }
        for (name, mode) in modes { try directory.write(mode, to: "\(name).mode") }
        var options = SupervisorOptions(configPath: file)
        options.program = try FakeChild.program(in: directory)
        options.logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        options.residentBytes = { memory.bytes(of: $0) }
        options.scan = { _, _ in await plugins.look() }
        try change(directory, &options)
        let deployment = try Deployment.load(file, threads: nil)
        let left = try handover?(directory, options.program)
        let supervisor = Supervisor(
            options: options,
            deployment: deployment,
            state: try left.map { .adopted($0.stateDirectory, lock: $0.lock) }
                ?? StateDirectory.open(deployment.config.stateDir),
            inbox: inbox,
            loop: MultiThreadedEventLoopGroup.singleton.next(),
            startedAt: .now
        )
        self.directory = directory
        self.plugins = plugins
        status = Task { await supervisor.run(after: left) }
        // SIGCHLD belongs to the test process as a whole; the supervisor only ever looks at its own children.
        children = Task { [inbox] in
            while !Task.isCancelled {
                inbox.put(.signal(SIGCHLD))
                try? await Task.sleep(for: .milliseconds(5))
            }
        }
    }

    deinit { children.cancel() }

    func setMode(_ mode: String, of name: String) throws { try directory.write(mode, to: "\(name).mode") }

    /// How the deliveries of queue omb ended in a worker.
    func setOutcomes(done: Int, failed: Int, of name: String, generation: Int) throws {
        try directory.write(
            #"{"omb":{"done":\#(done),"failed":\#(failed)}}"#,
            to: "\(name).\(generation).outcomes"
        )
    }

    /// A new file in plugins.d; what the look at it finds is FakePlugins' affair.
    func touchPlugins() throws { try directory.write("\(UInt64.random(in: 0...UInt64.max))", to: "plugins.d/omb.so") }

    // MARK: What the children saw

    struct Line: Sendable {
        var name: String
        var pid: Int32
        var what: String
    }

    var journal: [Line] {
        let text = (try? String(contentsOfFile: directory.file("journal"), encoding: .utf8)) ?? ""
        return text.split(separator: "\n").compactMap { line in
            let parts = line.split(separator: " ", maxSplits: 2).map(String.init)
            guard parts.count == 3, let pid = Int32(parts[1]) else { return nil }
            return Line(name: parts[0], pid: pid, what: parts[2])
        }
    }

    func lines(_ name: String, _ what: String) -> [Line] {
        journal.filter { $0.name == name && $0.what.hasPrefix(what) }
    }

    /// Waits until the journal has `count` such lines and returns them.
    @discardableResult
    func wait(_ name: String, _ what: String, count: Int = 1) async throws -> [Line] {
        try await eventually("\(count) x \(name) \(what)", seen: seen) { lines(name, what).count >= count }
        return lines(name, what)
    }

    func position(of name: String, _ what: String) -> Int? {
        journal.firstIndex { $0.name == name && $0.what.hasPrefix(what) }
    }

    /// For a failed test's message.
    private func seen() async -> String {
        let states = await processes().map { row in
            "\(row["role"]?.string ?? "") \(row["plugin"]?.string ?? "") \(row["state"]?.string ?? "")"
        }
        let lines = journal.map { "\($0.name) \($0.what.prefix(40))" }
        return "processes \(states), journal \(lines)"
    }

    // MARK: What the supervisor says

    func ask(_ command: String, _ arguments: [String: JSONValue] = [:]) async -> ControlReply {
        let answers = EventLog<ControlReply>()
        Task { [inbox] in
            answers.append(await inbox.answer(ControlRequest(id: 1, command: command, arguments: arguments)))
        }
        do {
            return try await answers.first(within: .seconds(40), "an answer to \(command)") { _ in true }
        } catch {
            return ControlReply(id: 1, error: "\(error): \(journal.map { "\($0.name) \($0.what.prefix(60))" })")
        }
    }

    func processes() async -> [JSONValue] { await ask("status").result?["processes"]?.array ?? [] }

    func readyWorkers() async -> [JSONValue] {
        await processes().filter { $0["role"]?.string == "worker" && $0["state"]?.string == "ready" }
    }

    func waitForWorkers(_ count: Int) async throws {
        try await eventually("\(count) workers ready", seen: seen) { await readyWorkers().count == count }
    }

    // MARK: The end

    func stop() async throws -> Int32 {
        inbox.put(.signal(SIGTERM))
        return try await end()
    }

    /// The supervisor's exit status, once it has one.
    func end() async throws -> Int32 {
        let guardian = Task { [status, directory] in
            try await Task.sleep(for: .seconds(30))
            Issue.record("the supervisor doesn't end: \(directory.path)")
            status.cancel()
        }
        defer { guardian.cancel() }
        return await status.value
    }
}

/// How much memory children have; one that wasn't set has little.
final class FakeMemory: Sendable {
    private let sizes = Mutex<[pid_t: Int]>([:])

    func set(_ mebibytes: Int, of pid: pid_t) { sizes.withLock { $0[pid] = mebibytes << 20 } }
    func bytes(of pid: pid_t) -> Int { sizes.withLock { $0[pid] ?? 1 << 20 } }
}

/// What the next look at plugins.d finds.
actor FakePlugins {
    private var catalog: PluginCatalog
    /// How often somebody has looked.
    private(set) var looks = 0

    init(_ descriptors: [String: PluginDescriptor] = ["omb": FakePlugins.descriptor()]) {
        catalog = Self.catalog(descriptors)
    }

    func look() -> PluginCatalog {
        looks += 1
        return catalog
    }

    func set(_ descriptors: [String: PluginDescriptor]) { catalog = Self.catalog(descriptors) }
    func set(_ catalog: PluginCatalog) { self.catalog = catalog }

    static func descriptor(
        version: String = "1.0",
        queues: [String] = ["omb", "ombout"],
        singletons: [String] = [],
        keys: [ConfigKey] = []
    ) -> PluginDescriptor {
        PluginDescriptor(
            id: "example.omb",
            version: version,
            abi: ABIVersion(major: 1, needMinor: 0, builtMinor: 0),
            handlers: queues.map {
                HandlerDescriptor(queue: QueueName(unchecked: $0), isSingleton: singletons.contains($0))
            },
            configKeys: keys
        )
    }

    private static func catalog(_ descriptors: [String: PluginDescriptor]) -> PluginCatalog {
        PluginCatalog(
            entries: descriptors.sorted { $0.key < $1.key }.map { name, descriptor in
                PluginCatalog.Entry(
                    file: name + ".so",
                    name: PluginName(unchecked: name),
                    verdict: .loadable(
                        LoadablePlugin(path: "/plugins/\(name)-\(descriptor.version).so", descriptor: descriptor)
                    )
                )
            }
        )
    }
}
