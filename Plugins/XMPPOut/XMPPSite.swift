// SPDX-License-Identifier: Apache-2.0

package import PluginKit

/// One site: its connection where this worker serves `xmppout`, and what comes in on it.
///
/// On the host's thread, as the handlers are.
@HostActor
package final class XMPPSite {
    nonisolated static let queue = "xmppout"
    nonisolated static let input = "xmppin"
    /// The queue is held for as long as the next try takes at most, and let go as soon as that succeeds.
    private static let connecting = Duration.seconds(45)
    /// Where nothing is tried any more, the hold is made anew by the next configuration or opening.
    private static let stopped = Duration.seconds(86_400)
    /// Messages from contacts that wait for the store: above, the server has to wait.
    private static let inputLimit = 1000
    private static let inputBatch = 100

    let site: Site
    private(set) var config: XMPPOutConfig
    private let metrics: XMPPMetrics
    private var connection: XMPPConnection?
    private var memory = BounceMemory()
    private var lastID = UInt64.random(in: 0..<(1 << 48))
    private var incoming: [NewItem] = []
    private var isStoring = false
    private var isPaused = false
    private var isClosed = false

    init(_ site: Site, config: XMPPOutConfig, metrics: XMPPMetrics, gate: ConnectGate) {
        self.site = site
        self.config = config
        self.metrics = metrics
        // Only the worker that has the queue: two connections would fight for one address.
        guard site.queues.contains(Self.queue) else { return }
        connection = XMPPConnection(site, config, gate: gate, owner: self)
        metrics.isConnected.set(0, site)
        hold(for: Self.connecting, "connecting")
        connection?.start()
    }

    // MARK: Life

    func reconfigure(_ config: XMPPOutConfig) {
        let old = self.config
        self.config = config
        guard let connection else { return }
        if !config.hasSameConnection(as: old) {
            hold(for: Self.connecting, "connecting with new settings")
            metrics.isConnected.set(0, site)
            connection.restart(config)
        } else if config.status != old.status, config.mode == .client, let reply {
            connection.send(reply.presence().bytes)
        }
    }

    func drain() async { await connection?.finish() }

    func close() {
        isClosed = true
        connection?.end()
        metrics.isConnected.set(0, site)
    }

    // MARK: Sending

    func deliver(_ outgoing: Outgoing) async -> XMPPConnection.Fate {
        guard let connection, let session = connection.session else {
            return .offline(connection?.problem ?? "this worker doesn't serve \(Self.queue)")
        }
        lastID += 1
        let id = lastID
        let stanza = outgoing.bytes(from: session, id: Self.text(id), isComponent: config.mode == .component)
        let fate = await connection.deliver(stanza, id: id)
        switch fate {
        case .acknowledged:
            memory.remember(id, BounceMemory.Sent(to: outgoing.to, stanza: stanza, bounces: outgoing.bounces))
        case .bounced: metrics.bounced.add(1, site)
        case .lost, .offline: break
        }
        return fate
    }

    private static func text(_ id: StanzaID) -> String { "n" + String(id, radix: 36) }

    private static func id(_ text: String) -> StanzaID? {
        text.first == "n" ? UInt64(text.dropFirst(), radix: 36) : nil
    }

    private func hold(for duration: Duration, _ text: String) {
        site.hold(queue: Self.queue, for: duration, text)
    }

    private var reply: PresenceReply? {
        connection?.session.map {
            PresenceReply(session: $0, isComponent: config.mode == .component, status: config.status)
        }
    }
}

// MARK: What the connection tells

extension XMPPSite: XMPPConnection.Owner {
    func cameUp(_ session: Session, isResumed: Bool) {
        site.log.info(
            isResumed ? "the XMPP stream was resumed" : "connected to the XMPP server",
            ["address": session.address.description]
        )
        // A component has no roster: whom it knows learns of it by a subscription or a probe.
        if !isResumed, config.mode == .client, let reply { connection?.send(reply.presence().bytes) }
        hold(for: .zero, "")
        metrics.isConnected.set(1, site)
    }

    func wentDown(_ failure: ConnectionFailure, again: Duration?) {
        isPaused = false
        defer { metrics.isConnected.set(0, site) }
        let fields: KeyValuePairs = [
            "problem": failure.description, "again": again.map { "in \($0.components.seconds) s" } ?? "no",
        ]
        if let again {
            if failure.kind == .temporary {
                site.log.warning("no connection to the XMPP server", fields)
            } else {
                site.log.error("the XMPP server refuses this site's settings", fields)
            }
            hold(for: again + Self.connecting, failure.description)
        } else {
            site.log.error(
                "another connection has this site's address: this one stops until the site is changed or reopened",
                fields
            )
            hold(for: Self.stopped, failure.description)
        }
    }

    func received(_ stanza: Element) {
        guard let reply else { return }
        switch stanza.name {
        case "iq":
            if stanza["type"] == "error" { bounce(stanza) }
            if let answer = reply.answer(to: stanza) { connection?.send(answer.bytes) }
        case "presence":
            if stanza["type"] == "error" { return bounce(stanza) }
            for answer in reply.answers(to: stanza) { connection?.send(answer.bytes) }
            // What was held since the contact wanted to be asked first may go.
            if let contact = reply.agreement(stanza) { site.hold(queue: Self.queue, lane: contact, for: .zero, "") }
        default:
            if stanza["type"] == "error" { return bounce(stanza) }
            guard let message = IncomingMessage(stanza) else { return }
            metrics.received.add(1, site)
            let frame = message.frame(site: site.name, time: site.host.now)
            put(NewItem(queue: Self.input, payload: frame.bytes, target: message.from.bare))
        }
    }

    private func bounce(_ stanza: Element) {
        guard let id = stanza["id"].flatMap({ Self.id($0) }), let error = StanzaError(stanza),
            connection?.bounce(id, error) != true, let sent = memory.take(id)
        else { return }
        // Its item has ended: a new one says what became of it, or tries again.
        metrics.bounced.add(1, site)
        let frame: JSON = [
            "stanza": .string(String(decoding: sent.stanza, as: UTF8.self)), "advice": .string(error.advice.rawValue),
            "condition": .string(error.condition), "text": .string(error.text),
            "bounces": .number(String(sent.bounces + 1)), "at": .number(String(site.host.now.milliseconds)),
        ]
        var item = NewItem(queue: Self.queue, payload: frame.bytes, target: sent.to)
        if error.advice == .wait { item.delay = StanzaError.waitRest }
        if error.advice == .auth { item.delay = StanzaError.authorizationRest }
        put(item)
    }
}

// MARK: Coming in

extension XMPPSite {
    /// Items for the store, in order; the connection doesn't wait for them.
    private func put(_ item: NewItem) {
        incoming.append(item)
        if incoming.count > Self.inputLimit, !isPaused {
            isPaused = true
            connection?.pause(true)
        }
        guard !isStoring else { return }
        isStoring = true
        Task { @HostActor in await self.store() }
    }

    private func store() async {
        while !incoming.isEmpty, !isClosed {
            let batch = Array(incoming.prefix(Self.inputBatch))
            do throws(HostError) {
                try await site.enqueue(batch)
                incoming.removeFirst(batch.count)
            } catch {
                site.log.warning("messages from contacts aren't stored yet", ["problem": error.description])
                guard error.code != .closed, error.code != .stale else { break }
                do { try await site.timers.sleep(for: .seconds(1)) } catch { break }
            }
            if isPaused, incoming.count < Self.inputLimit / 2 {
                isPaused = false
                connection?.pause(false)
            }
        }
        isStoring = false
    }
}
