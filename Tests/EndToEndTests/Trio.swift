// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Synchronization
import TestSupport

/// One site with omb, twitter and xmppout, each with a remote server of its own that keeps what arrived.
///
/// The servers: DemoReceiver, twitter_receiver.py, and prosody with slixmpp's contacts.
final class Trio: Sendable {
    enum Plugin: String, Sendable, CaseIterable {
        case omb
        case twitter
        case xmppout

        /// The queue of stage 1 that gets notices.
        var queue: String { self == .xmppout ? "jabber" : rawValue }
        var others: [Plugin] { Self.allCases.filter { $0 != self } }
    }

    /// One notice at one target.
    struct Arrival: Hashable, Sendable {
        let target: String
        let notice: Int
    }

    /// Of each plugin.
    static let targets = 3

    let installation: Installation
    private let omb: Receiver
    private let twitter: TwitterReceiver
    private let xmpp: XMPPServer
    private let contacts: XMPPContacts

    /// Everything but hostd runs.
    init(_ settings: Installation.Settings = .init(workers: 1)) async throws {
        xmpp = try await XMPPServer.start(.prosody, users: Self.targets)
        contacts = try await XMPPContacts(xmpp, count: Self.targets)
        twitter = try await TwitterReceiver()
        var settings = settings
        settings.plugins = [
            "omb": "{ enabled: true, timeout: 60 }", "twitter": twitter.section(),
            "xmppout": xmpp.settings(.component),
        ]
        installation = try Installation(settings)
        omb = Receiver(in: installation.directory, targets: Self.targets)
        try await omb.start()
    }

    /// Starts hostd, with all targets as the author's recipients.
    func start() async throws {
        try await installation.start()
        try await installation.subscribe(omb)
        try await installation.connect((0..<Self.targets).map { "a\($0)" })
        let rows = (0..<Self.targets).map { number in
            #"{"plugin": "xmppout", "author": "http://demo.example/user/1", "target": "u\#(number)@example.test"}"#
                + "\n"
        }
        let file = try installation.directory.write(rows.joined(), to: "contacts.jsonl")
        try await installation.queuectl("recipients", "import", "-s", Installation.site, "xmppout", file)
    }

    // MARK: What arrived

    /// By the remote servers' own records, with repeats.
    func arrivals(_ plugin: Plugin) throws -> [Arrival] {
        switch plugin {
        case .omb:
            return omb.takenLines().flatMap { line, count in
                let notice = line.split(separator: "/").last.flatMap { Int($0) } ?? -1
                return Array(
                    repeating: Arrival(target: String(line.prefix { $0 != " " }), notice: notice),
                    count: count
                )
            }
        case .twitter:
            return try twitter.lines().filter { $0.answer == "accept" }.map {
                Arrival(target: $0.account, notice: Self.number($0.text ?? ""))
            }
        case .xmppout:
            return contacts.messages.map { Arrival(target: $0.contact, notice: Self.number($0.body)) }
        }
    }

    /// Of a text that `Installation.notice` made.
    private static func number(_ text: String) -> Int { text.firstMatch(of: /#(\d+)!/).flatMap { Int($0.1) } ?? -1 }

    /// How many of these notices' deliveries are there, each counted once.
    func count(_ plugin: Plugin, of notices: ClosedRange<Int>) throws -> Int {
        Set(try arrivals(plugin).filter { notices.contains($0.notice) }).count
    }

    /// Waits until these notices are at all targets of a plugin.
    func arrived(_ plugin: Plugin, _ notices: ClosedRange<Int>, within limit: Duration = .seconds(60)) async throws {
        try await eventually(
            "notices \(notices) at all targets of \(plugin)",
            within: limit,
            every: .milliseconds(50),
            seen: { "\((try? self.count(plugin, of: notices)) ?? -1) deliveries" },
            { try count(plugin, of: notices) == notices.count * Self.targets }
        )
    }

    // MARK: Remote servers' bad days

    /// The plugin's remote server goes away: connections are refused.
    func stop(_ plugin: Plugin) async throws {
        switch plugin {
        case .omb: try await omb.stop()
        case .twitter: try await twitter.stop()
        case .xmppout: try await xmpp.kill()
        }
    }

    func start(_ plugin: Plugin) async throws {
        switch plugin {
        case .omb: try await omb.start()
        case .twitter: try await twitter.start()
        case .xmppout: try await xmpp.start()
        }
    }

    /// The plugin's remote server hangs: connections are taken by its kernel, and nothing answers.
    func freeze(_ plugin: Plugin) async throws {
        switch plugin {
        case .omb: omb.signal(SIGSTOP)
        case .twitter: twitter.signal(SIGSTOP)
        case .xmppout: try await xmpp.freeze()
        }
    }

    func thaw(_ plugin: Plugin) async throws {
        switch plugin {
        case .omb: omb.signal(SIGCONT)
        case .twitter: twitter.signal(SIGCONT)
        case .xmppout: try await xmpp.thaw()
        }
    }

    // MARK: Workers

    /// Ready workers, hunters left out: pids by plugin.
    func workers() async throws -> [Plugin: Set<Int32>] {
        var found: [Plugin: Set<Int32>] = [:]
        for process in try await installation.json("status")["processes"].list {
            guard process["role"].text == "worker", process["state"].text == "ready", process["hunter"] != .bool(true),
                let plugin = process["plugin"].text.flatMap({ Plugin(rawValue: $0) }), let pid = process["pid"].int
            else { continue }
            found[plugin, default: []].insert(Int32(pid))
        }
        return found
    }
}

/// Kills every worker of a plugin as soon as it is there, again and again, until it is told to stop.
final class WorkerKiller: Sendable {
    private let isOn = Mutex(true)
    private let killed = Mutex(0)

    /// So many processes were killed.
    var count: Int { killed.withLock { $0 } }

    init(_ trio: Trio, _ plugin: Trio.Plugin) {
        let hostd = trio.installation.hostd?.pid ?? 0
        // A thread of its own: it has to be faster than a worker that starts, however busy the tests are.
        Thread.detachNewThread { [weak self] in
            while let self, self.isOn.withLock({ $0 }) {
                for pid in Self.children(of: hostd)
                where Self.words(of: pid).contains(where: { $0.hasPrefix("\(plugin)/") })
                    && kill(pid, SIGKILL) == 0
                {
                    self.killed.withLock { $0 += 1 }
                }
                usleep(1000)
            }
        }
    }

    func stop() { isOn.withLock { $0 = false } }

    deinit { stop() }

    /// Those that were reaped aren't there any more, those that are dead have no command line.
    private static func children(of pid: Int32) -> [Int32] {
        let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
        return threads.flatMap { thread in
            Installation.read("/proc/\(pid)/task/\(thread)/children").split(separator: UInt8(ascii: " "))
                .compactMap { Int32(String(decoding: $0, as: UTF8.self)) }
        }
    }

    private static func words(of pid: Int32) -> [String] {
        Installation.read("/proc/\(pid)/cmdline").split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }
}
