// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Synchronization
import TestSupport

/// A whole installation in a directory of its own: configuration, plugins, one site, and the hostd of this build.
///
/// Its end, however it comes, is the end of every process of it: they are known by a mark in their environment.
final class Installation: Sendable {
    /// How hostd.yaml differs from what suits tests.
    struct Settings: Sendable {
        var workers = 2
        var hasConsole = false
        /// 0: any free one.
        var consolePort = 0
        /// It runs a copy of this build's hostd, which a test may replace.
        var ownsExecutable = false
        /// Further entries of the section `workers`, such as `isolate: group`.
        var workersMore: [String] = []
        var canary = "0s"
        /// Lines for the section `queue`, such as `max_retries: 1`.
        var queue: [String] = []
        /// Further lines of hostd.yaml, such as `cache: { servers: [...] }`.
        var more: [String] = []
        /// The site's plugins: name, and the section as it stands in sites.d.
        var plugins = ["omb": "{ enabled: true, timeout: 60 }"]
    }

    private static let mark = "HOSTD_TEST_INSTALLATION"
    static let site = "demo"

    private struct State {
        var hostd: ProcessRunner?
        var stompPort = 0
    }

    let directory: TemporaryDirectory
    /// The hostd that it runs.
    let executable: String
    private let state = Mutex(State())

    var hostd: ProcessRunner? { state.withLock { $0.hostd } }
    /// The broker's TCP port, once hostd has started.
    var stompPort: Int { state.withLock { $0.stompPort } }
    var configuration: String { directory.file("hostd.yaml") }
    var pluginsFolder: String { directory.file("plugins.d") }

    init(_ settings: Settings = Settings()) throws {
        directory = try TemporaryDirectory()
        let built = try ProcessRunner.product("hostd")
        executable = settings.ownsExecutable ? directory.file("hostd") : built
        if settings.ownsExecutable { try FileManager.default.copyItem(atPath: built, toPath: executable) }
        try configure(settings)
        try writeSite(plugins: settings.plugins)
        try FileManager.default.createDirectory(
            atPath: pluginsFolder,
            withIntermediateDirectories: false,
            attributes: [.posixPermissions: 0o700]
        )
        for plugin in ["omb", "twitter", "xmppout", "lines"] where settings.plugins[plugin] != nil {
            try install(plugin)
        }
    }

    deinit {
        hostd?.signal(SIGKILL)
        for pid in processes().keys { kill(pid, SIGKILL) }
    }

    /// Writes hostd.yaml: before a start, or for a reload.
    func configure(_ settings: Settings) throws {
        let console = settings.hasConsole ? "127.0.0.1:\(settings.consolePort)" : ""
        let queue = ["listen: \"127.0.0.1:0\"", "spawndelay: 50ms"] + settings.queue
        let workers = ["count: \(settings.workers)", "canary: \(settings.canary)"] + settings.workersMore
        try directory.write(
            """
            state_dir: var
            plugins_dir: plugins.d
            sites_dir: sites.d
            workers: { \(workers.joined(separator: ", ")) }
            http: { allow_private: true, timeout: 60s }
            console: { listen: "\(console)" }
            queue:
            \(queue.map { "  \($0)\n" }.joined())
            \(settings.more.joined(separator: "\n"))
            """,
            to: "hostd.yaml"
        )
    }

    func writeSite(_ name: String = Installation.site, plugins: [String: String]) throws {
        let sections = plugins.sorted { $0.key < $1.key }.map { "  \($0.key): \($0.value)\n" }.joined()
        let plugins = sections.isEmpty ? "plugins: {}\n" : "plugins:\n" + sections
        try directory.write("server: \(name).example\nname: Demo\n" + plugins, to: "sites.d/\(name).yaml")
    }

    // MARK: Plugins

    /// One of this build's own plugins.
    private func install(_ plugin: String) throws {
        let path = pluginsFolder + "/\(plugin).so"
        try FileManager.default.copyItem(atPath: try ProcessRunner.product("lib\(plugin).so"), toPath: path)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    }

    func installC(_ source: String, as name: String, macros: [String: String] = [:]) async throws {
        let path = pluginsFolder + "/" + name
        try await CPlugin.build(source, to: path, macros: macros)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    }

    // MARK: Life

    /// Starts hostd and waits until it says that it is ready.
    func start() async throws {
        let hostd = try run()
        state.withLock { $0.hostd = hostd }
        let line = try await hostd.line(containing: "hostd ready", of: hostd.errors, within: .seconds(60))
        guard let port = line.firstMatch(of: /STOMP on 127\.0\.0\.1:(\d+)/).flatMap({ Int($0.1) }) else {
            throw TestSupportError.missing("the STOMP port in '\(line)'")
        }
        state.withLock { $0.stompPort = port }
    }

    /// A process of hostd on this configuration, ready or not.
    func run(_ arguments: String...) throws -> ProcessRunner {
        try ProcessRunner(
            executable,
            ["--config", configuration] + arguments,
            // Swift's crash reporter holds a crashed worker up for seconds.
            environment: [Self.mark: directory.path, "SWIFT_BACKTRACE": "enable=no"]
        )
    }

    /// SIGTERM, and the exit that it comes to.
    func stop(_ signal: Int32 = SIGTERM) async throws -> ProcessRunner.Exit {
        guard let hostd else { throw TestSupportError.missing("a running hostd") }
        hostd.signal(signal)
        let exit = try await hostd.exit(within: .seconds(60))
        state.withLock { $0.hostd = nil }
        return exit
    }

    /// Every process of this installation by pid, orphans included, with its command line.
    func processes() -> [Int32: String] {
        var found: [Int32: String] = [:]
        let mark = Array("\(Self.mark)=\(directory.path)\0".utf8)
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
            guard let pid = Int32(name), Self.read("/proc/\(pid)/environ").firstRange(of: mark) != nil else { continue }
            let words = Self.read("/proc/\(pid)/cmdline").split(separator: 0)
            found[pid] = words.map { String(decoding: $0, as: UTF8.self) }.joined(separator: " ")
        }
        return found
    }

    /// Those of one role, as the system has them.
    func processes(role: String) -> [Int32] {
        processes().filter { $0.value.contains("--role \(role)") }.keys.sorted()
    }

    /// The whole of a file of /proc, which has no size; empty where the process is gone or somebody else's.
    static func read(_ path: String) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { _ = close(descriptor) }
        var (bytes, chunk) = ([UInt8](), [UInt8](repeating: 0, count: 16_384))
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            guard count > 0 else { return bytes }
            bytes += chunk[..<count]
        }
    }
}
