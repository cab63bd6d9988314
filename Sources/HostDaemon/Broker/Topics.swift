// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Stomp

/// Who listens to a topic: each gets what is sent while it listens, and nothing is stored.
///
/// Confined to the broker's loop.
final class Topics {
    private struct Listener {
        weak var session: StompSession?
        var serial: Int
    }

    private var listeners: [String: [Listener]] = [:]

    func add(_ session: StompSession, serial: Int, topic: String) {
        listeners[topic, default: []].append(Listener(session: session, serial: serial))
    }

    func remove(_ session: StompSession, serial: Int, topic: String) {
        listeners[topic]?.removeAll { $0.session == nil || ($0.session === session && $0.serial == serial) }
        if listeners[topic]?.isEmpty == true { listeners[topic] = nil }
    }

    /// All that a session listened to.
    func remove(_ session: StompSession) {
        for (topic, all) in listeners where all.contains(where: { $0.session === session }) {
            listeners[topic] = all.filter { $0.session !== session && $0.session != nil }
            if listeners[topic]?.isEmpty == true { listeners[topic] = nil }
        }
    }

    func publish(_ frame: StompFrame, topic: String) {
        for listener in listeners[topic] ?? [] { listener.session?.publish(frame, topic: topic, to: listener.serial) }
    }
}
