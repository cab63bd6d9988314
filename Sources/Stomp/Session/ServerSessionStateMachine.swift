// SPDX-License-Identifier: Apache-2.0

/// One client's connection as the protocol sees it: which frame may come when, and what it means for the broker.
///
/// The broker's session feeds it frames and performs the actions, on the connection's event loop; it has no I/O and no
/// clock. Destinations are opaque. Deliveries and transactions are kept here, since an ACK names them.
package struct ServerSessionStateMachine: Sendable {
    private enum State: Sendable {
        /// Moves to `connected` by CONNECT or STOMP, to `ended` by anything else.
        case awaitingConnect
        /// Moves to `disconnecting` by DISCONNECT, to `ended` by an error.
        case connected
        /// DISCONNECT came, its receipt may be due still; moves to `ended` by any frame.
        case disconnecting
        /// ERROR was written, or the connection is gone: frames are dropped.
        case ended
    }

    package let configuration: ServerSessionConfiguration
    package let session: String
    /// 1.0 until CONNECT says more.
    package private(set) var version: StompVersion = .v1_0
    private var state = State.awaitingConnect
    var subscriptions: [Int: Subscription] = [:]
    var serials: [Subscription.Key: Int] = [:]
    var lastSerial = 0
    var transactions: [String: StompTransaction] = [:]
    /// SENDs and settled deliveries in open transactions, and the octets of the SENDs.
    var transactionFrames = 0
    var transactionBytes = 0

    /// `session` is the CONNECTED frame's session id, unique while the broker runs.
    package init(configuration: ServerSessionConfiguration, session: String) {
        self.configuration = configuration
        self.session = session
    }

    package var isConnected: Bool {
        if case .connected = state { true } else { false }
    }

    package mutating func receive(_ frame: StompFrame) -> ServerSessionAction {
        if case .ended = state { return .noted(receipt: nil) }
        do throws(StompError) {
            return try handle(frame)
        } catch {
            return fail(error, receipt: frame.command.isHandshake ? nil : frame[.receipt])
        }
    }

    /// The broker, or the decoder, can't go on with this connection.
    package mutating func fail(_ error: StompError, receipt: String? = nil) -> ServerSessionAction {
        state = .ended
        return .fail(error, receipt: receipt)
    }

    /// Notes that a message is sent to a subscriber; nil = the subscription is gone, so don't send it.
    ///
    /// `token` is the broker's number for the delivery, which comes back with ACK and NACK.
    package mutating func deliver(_ token: Int64, messageID: String, to serial: Int) -> DeliveryHeaders? {
        // Never a copy of the subscription: changing it would then copy all that is pending.
        guard case .connected = state, let isAuto = subscriptions[serial].map({ $0.ackMode == .auto }),
            let sequence = subscriptions[serial]?.deliver(token, messageID: version == .v1_2 ? "" : messageID)
        else { return nil }
        return DeliveryHeaders(
            subscription: subscriptions[serial]?.id,
            ack: version == .v1_2 && !isAuto ? "\(serial)-\(sequence)" : nil,
            isSettled: isAuto
        )
    }

    package subscript(serial serial: Int) -> Subscription? { subscriptions[serial] }

    /// How many more deliveries a subscription takes now; 0 if it is gone.
    package func room(of serial: Int) -> Int { subscriptions[serial]?.room ?? 0 }

    /// The connection is gone: open transactions are aborted, and all that is unacknowledged is given back, in order of
    /// delivery within each subscription.
    package mutating func end() -> [Int64] {
        state = .ended
        var givenBack = transactions.keys.sorted().flatMap { close($0) }
        givenBack += subscriptions.values.sorted { $0.serial < $1.serial }.flatMap { $0.pending.map(\.token) }
        subscriptions = [:]
        serials = [:]
        return givenBack
    }

    private mutating func handle(_ frame: StompFrame) throws(StompError) -> ServerSessionAction {
        let command = frame.command
        if command.isServerCommand { throw .serverCommand(command) }
        switch state {
        case .awaitingConnect:
            guard command.isHandshake else { throw .notConnected(command) }
            return try connect(frame)
        case .disconnecting: throw .afterDisconnect(command)
        case .connected, .ended: break
        }
        switch command {
        case .send: return try send(frame)
        case .ack, .nack: return try settle(frame, isAck: command == .ack)
        case .subscribe: return try subscribe(frame)
        case .unsubscribe: return try unsubscribe(frame)
        case .begin: return try begin(frame)
        case .commit: return try commit(frame)
        case .abort: return try abort(frame)
        case .disconnect:
            state = .disconnecting
            return .disconnect(receipt: frame[.receipt])
        case .connect, .stomp: throw .alreadyConnected
        case .connected, .message, .receipt, .error: throw .serverCommand(command)
        }
    }

    private mutating func connect(_ frame: StompFrame) throws(StompError) -> ServerSessionAction {
        version = try negotiated(frame[.acceptVersion])
        if let credentials = configuration.credentials,
            !credentials.match(login: frame[.login], passcode: frame[.passcode])
        {
            throw .accessRefused
        }
        var client = HeartBeatOffer.none
        // 1.0 has no heart-beats. `host` is required from 1.1 on, but there is one virtual host: it isn't missed.
        if version > .v1_0, let text = frame[.heartBeat] {
            guard let offer = HeartBeatOffer(text) else {
                throw .badHeader(name: "heart-beat", found: text, wanted: "two numbers of milliseconds, as 0,10000")
            }
            client = offer
        }
        state = .connected
        return .connected(
            StompConnected(
                version: version,
                session: session,
                server: configuration.server,
                serverHeartBeat: version > .v1_0 ? configuration.heartBeat : .none,
                clientHeartBeat: client
            )
        )
    }

    /// The highest version of the client's list that is spoken here.
    private func negotiated(_ accepted: String?) throws(StompError) -> StompVersion {
        guard let accepted else { return .v1_0 }
        let offered = accepted.split { $0 == "," || $0 == " " }.compactMap { StompVersion($0) }
        guard let highest = offered.max() else { throw .unsupportedVersion(offered: accepted) }
        return highest
    }
}
