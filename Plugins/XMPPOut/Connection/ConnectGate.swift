// SPDX-License-Identifier: Apache-2.0

import PluginKit

/// Lets only so many of all sites' connections to one server begin at a time.
///
/// A thousand sites that connect at once fill the queue in which a server's kernel holds those that it hasn't taken yet
/// (prosody's has 128 places), and who finds it full tries again after 1 s, 3 s, 7 s and so on, by TCP's own clock. So a
/// connection is through with the first byte from the server, which has taken it then.
@HostActor
final class ConnectGate {
    nonisolated static let width = 32

    /// One connection's passage.
    @HostActor
    final class Pass {
        fileprivate enum State { case waiting, open, over }

        fileprivate var state = State.waiting
        fileprivate let server: String
        fileprivate let begin: @HostActor () -> Void

        /// `begin`: Called once, when there is room.
        init(to server: String, _ begin: @escaping @HostActor () -> Void) {
            self.server = server
            self.begin = begin
        }
    }

    private struct Server {
        var open = 0
        var waiting: [Pass] = []
        /// Passes before this one have left `waiting`.
        var head = 0
        /// A connection that begins may fail at once: the next one is begun by the loop that began it.
        var isBeginning = false
    }

    private var servers: [String: Server] = [:]

    nonisolated init() {}

    func enter(_ pass: Pass) {
        servers[pass.server, default: Server()].waiting.append(pass)
        beginNext(pass.server)
    }

    /// It is through, or doesn't want to be any more; said again, nothing.
    func leave(_ pass: Pass) {
        let wasOpen = pass.state == .open
        pass.state = .over
        guard wasOpen else { return }
        servers[pass.server]?.open -= 1
        beginNext(pass.server)
    }

    private func beginNext(_ name: String) {
        guard servers[name]?.isBeginning == false else { return }
        servers[name]?.isBeginning = true
        while let pass = next(name) { pass.begin() }
        servers[name]?.isBeginning = false
        if let server = servers[name], server.open == 0, server.waiting.isEmpty { servers[name] = nil }
    }

    /// The next one that still wants to, where there is room: it is open now.
    private func next(_ name: String) -> Pass? {
        guard var server = servers[name], server.open < Self.width else { return nil }
        defer { servers[name] = server }
        while server.head < server.waiting.count {
            let pass = server.waiting[server.head]
            server.head += 1
            guard pass.state == .waiting else { continue }
            pass.state = .open
            server.open += 1
            return pass
        }
        server.waiting = []
        server.head = 0
        return nil
    }
}
