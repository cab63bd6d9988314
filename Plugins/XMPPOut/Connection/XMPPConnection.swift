// SPDX-License-Identifier: Apache-2.0

import PluginKit

/// A site's one connection: keeps it up, sends stanzas in order, and tells when the server has each.
///
/// Performs what `Negotiation`, `Outbox` and `Reconnect` decide. On the host's thread, as its owner is.
@HostActor
final class XMPPConnection {
    /// What became of a stanza.
    enum Fate {
        /// The server has it.
        case acknowledged
        case bounced(StanzaError)
        /// It was sent, or was about to be, and the stream broke before the server said that it has it.
        case lost
        /// Nothing was sent: why.
        case offline(String)
    }

    /// Whom it tells.
    @HostActor protocol Owner: AnyObject {
        /// A stanza that isn't part of the connection's own business.
        func received(_ stanza: Element)
        /// Up; `isResumed`: as if nothing had happened.
        func cameUp(_ session: Session, isResumed: Bool)
        /// Down; nil: it stays so.
        func wentDown(_ failure: ConnectionFailure, again: Duration?)
    }

    enum State {
        case off
        case waiting(HostTimer?)
        case connecting
        case negotiating(any Negotiation)
        case online(Session)
        case stopped
    }

    /// Keep-alives, and the search for a silent server: in turns of the clock.
    static let turn = Duration.seconds(15)
    static let turnsUntilPing = 4
    static let turnsUntilDead = 2
    /// How long a broken stream is worth resuming: the items of its stanzas are held up meanwhile.
    static let resumptionLimit = Duration.seconds(20)
    /// How long an item that has to end waits for the acknowledgement of a stanza that is on its way.
    static let farewell = Duration.seconds(3)
    /// How long a server may leave a new connection without a byte before others are begun beside it.
    static let passLimit = Duration.seconds(2)

    let site: Site
    private unowned let owner: any Owner
    private(set) var config: XMPPOutConfig
    let gate: ConnectGate
    /// Of the connection that is being made.
    var pass: ConnectGate.Pass?
    var state = State.off
    var stream: ByteStream?
    private var parser = StreamParser()
    var reconnect = Reconnect()
    var random = SystemRandomNumberGenerator()

    var outbox = Outbox()
    var waiters: [StanzaID: Waiter] = [:]
    var unsent: [UInt8] = []
    var isBlocked = false
    var willFlush = false
    var ackCount = 0
    private var clock: HostTimer?
    var quietTurns = 0
    var askedTurns = 0

    /// Stanzas that we have handled on a managed stream.
    private(set) var handled: UInt32 = 0
    private(set) var resumption: (id: String, address: JID)?
    private var resumptionTimer: HostTimer?
    private(set) var problem = "not connected yet"

    init(_ site: Site, _ config: XMPPOutConfig, gate: ConnectGate, owner: any Owner) {
        self.site = site
        self.config = config
        self.gate = gate
        self.owner = owner
    }

    var session: Session? { if case .online(let session) = state { session } else { nil } }

    /// While on, the server has to wait with what it has for us, acknowledgements included.
    func pause(_ on: Bool) { stream?.pause(on) }

    // MARK: Life

    func start() {
        if clock == nil {
            clock = try? site.timers.every(Self.turn) { [weak self] in self?.turnPassed() }
        }
        connect()
    }

    /// Other settings: the old stream ends, a new one begins.
    func restart(_ config: XMPPOutConfig) {
        end()
        self.config = config
        reconnect = Reconnect()
        start()
    }

    /// Waits for what is on its way, then says goodbye: the next connection may have our address at once.
    func finish() async {
        for _ in 0..<50 where session != nil && outbox.count > 0 {
            do { try await site.timers.sleep(for: .milliseconds(100)) } catch { break }
        }
        end()
    }

    func end() {
        leaveGate()
        if session != nil {
            unsent += Array("</stream:stream>".utf8)
            flush()
            stream?.close()
        } else {
            stream?.cancel()
        }
        if case .waiting(let timer) = state { timer?.cancel() }
        stream = nil
        clock?.cancel()
        clock = nil
        state = .off
        problem = "the connection was closed by us"
        abandon()
    }

    func handle(_ event: StreamEvent) {
        switch event {
        case .connected:
            parser = StreamParser()
            askedTurns = 0
            let negotiation = newNegotiation()
            state = .negotiating(negotiation)
            perform([.send(negotiation.header)])
        case .data(let bytes): read(bytes)
        case .secured:
            guard case .negotiating(var negotiation) = state else { return }
            let steps = negotiation.secured()
            state = .negotiating(negotiation)
            perform(steps)
        case .writable:
            isBlocked = false
            flush()
        case .closed(let error):
            fail(ConnectionFailure(.temporary, error?.description ?? "the server closed the connection"))
        }
    }

    /// The stream is over; `failure` says what is to be done.
    func fail(_ failure: ConnectionFailure) {
        leaveGate()
        let session = session
        stream?.cancel()
        stream = nil
        unsent = []
        isBlocked = false
        problem = failure.description
        if case .management(let id?)? = session?.acks, failure.kind == .temporary, let session {
            resumption = (id, session.address)
            resumptionTimer = try? site.timers.after(Self.resumptionLimit) { [weak self] in
                guard let self, self.session == nil else { return }
                self.abandon()
            }
        } else if resumption == nil || failure.kind != .temporary {
            abandon()
        }
        switch reconnect.failed(failure.kind, wasOnline: session != nil, using: &random) {
        case .wait(let delay):
            state = .waiting(try? site.timers.after(delay) { [weak self] in self?.connect() })
            owner.wentDown(failure, again: delay)
        case .stop:
            state = .stopped
            owner.wentDown(failure, again: nil)
        }
    }

    /// Nothing that was sent can be accounted for any more.
    private func abandon() {
        resumption = nil
        resumptionTimer?.cancel()
        resumptionTimer = nil
        for id in outbox.reset() { resolve(id, .lost) }
    }

    // MARK: Reading

    private func read(_ bytes: [UInt8]) {
        leaveGate()
        quietTurns = 0
        let parser = parser
        do {
            for event in try parser.feed(bytes) {
                // The rest of a stream that was ended, or replaced by a new one on the same connection.
                guard parser === self.parser, stream != nil else { return }
                try take(event)
            }
        } catch let failure as ConnectionFailure {
            fail(failure)
        } catch {
            fail(ConnectionFailure(.temporary, "the server's stream can't be read: \(error)"))
        }
        flush()
    }

    private func take(_ event: StreamParser.Event) throws(ConnectionFailure) {
        switch event {
        case .opened(let root):
            guard case .negotiating(var negotiation) = state else { return }
            let steps = try negotiation.opened(root)
            state = .negotiating(negotiation)
            perform(steps)
        case .element(let element):
            if let failure = StreamError.failure(element) { throw failure }
            guard case .negotiating(var negotiation) = state else { return try stanza(element) }
            let steps = try negotiation.received(element)
            state = .negotiating(negotiation)
            perform(steps)
        case .closed: throw ConnectionFailure(.temporary, "the server closed the stream")
        }
    }

    private func perform(_ steps: [NegotiationStep]) {
        for step in steps {
            do {
                switch step {
                case .send(let bytes): try stream?.write(bytes)
                case .startTLS: try stream?.startTLS()
                case .restart:
                    parser = StreamParser()
                    guard case .negotiating(let negotiation) = state else { return }
                    try stream?.write(negotiation.header)
                case .ready(let session):
                    abandon()
                    handled = 0
                    up(session, isResumed: false)
                case .resumed(let h): try resume(h)
                }
            } catch {
                return fail(error as? ConnectionFailure ?? ConnectionFailure(.temporary, "\(error)"))
            }
        }
    }

    private func resume(_ h: UInt32) throws(ConnectionFailure) {
        guard let resumption else { throw ConnectionFailure(.temporary, "the server resumed a stream that we gave up") }
        guard let ids = outbox.handled(h) else {
            throw ConnectionFailure(.temporary, "the server has handled more stanzas than were sent")
        }
        resumptionTimer?.cancel()
        for id in ids { resolve(id, .acknowledged) }
        unsent = outbox.resend().flatMap { $0 }
        up(Session(address: resumption.address, acks: .management(id: resumption.id)), isResumed: true)
    }

    private func up(_ session: Session, isResumed: Bool) {
        state = .online(session)
        askedTurns = 0
        quietTurns = 0
        owner.cameUp(session, isResumed: isResumed)
        flush()
    }

    private func stanza(_ element: Element) throws(ConnectionFailure) {
        if element.namespace == ClientNegotiation.management {
            switch element.name {
            case "r": unsent += Element("a", ClientNegotiation.management, ["h": String(handled)]).bytes
            case "a":
                guard let ids = element["h"].flatMap({ UInt32($0) }).flatMap({ outbox.handled($0) }) else {
                    throw ConnectionFailure(.temporary, "the server has handled more stanzas than were sent")
                }
                reconnect.succeeded()
                for id in ids { resolve(id, .acknowledged) }
            default: break
            }
            return
        }
        guard ["message", "presence", "iq"].contains(element.name), element.namespace.isEmpty else { return }
        if case .management? = session?.acks { handled &+= 1 }
        // Whatever comes back of it, even an error, proves that all before it was taken.
        if element.name == "iq", outbox.asked != nil, element["id"] == ackID {
            reconnect.succeeded()
            for id in outbox.answered() { resolve(id, .acknowledged) }
            return
        }
        owner.received(element)
    }
}
