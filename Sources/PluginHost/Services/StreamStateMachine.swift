// SPDX-License-Identifier: Apache-2.0
import PluginABI

/// What a stream may do next: decisions alone, performed by `StreamConnection`.
struct StreamStateMachine {
    enum State: Equatable {
        /// Names are looked up, servers tried. Next: `handshaking`, `open`, `over`.
        case connecting
        /// TLS, from the first byte or asked for later. Next: `open`, `over`.
        case handshaking
        /// Bytes go both ways. Next: `handshaking`, `closing`, `over`.
        case open
        /// What was written is still sent, what comes still told. Next: `over`.
        case closing
        /// Nothing happens any more.
        case over
    }

    /// Bytes that may wait to be sent before a write is refused, and those below which writes are welcome again.
    static let highWaterMark = 1 << 20
    static let lowWaterMark = 256 << 10

    private(set) var state = State.connecting
    private let usesTLS: Bool
    private var isSecured = false
    /// CONNECTED was told.
    private var isConnected = false
    private(set) var isPaused = false
    private(set) var unsentBytes = 0
    private var hasRefused = false

    init(usesTLS: Bool) { self.usesTLS = usesTLS }

    /// Whether the socket should be read.
    ///
    /// A handshake needs it, whatever the plugin says.
    var reads: Bool {
        switch state {
        case .connecting, .over: false
        case .handshaking: true
        case .open, .closing: !isPaused
        }
    }

    /// TCP is up: true where the TLS handshake comes next, else CONNECTED is to be told.
    mutating func tcpConnected() -> Bool {
        guard state == .connecting else { return false }
        state = usesTLS ? .handshaking : .open
        isConnected = !usesTLS
        return usesTLS
    }

    /// The event to tell; nil where no handshake was under way.
    mutating func handshakeCompleted() -> UInt32? {
        guard state == .handshaking else { return nil }
        state = .open
        isSecured = true
        defer { isConnected = true }
        return isConnected ? HOSTD_S_SECURED : HOSTD_S_CONNECTED
    }

    /// What start_tls() returns; after HOSTD_OK the handshake is to be begun.
    mutating func startTLS() -> Int32 {
        guard state == .open, !isSecured else { return HOSTD_E_INVAL }
        state = .handshaking
        return HOSTD_OK
    }

    /// What write() returns; after HOSTD_OK the bytes are to be sent.
    mutating func write(_ count: Int) -> Int32 {
        guard state == .open else { return state == .closing || state == .over ? HOSTD_E_STALE : HOSTD_E_INVAL }
        guard unsentBytes < Self.highWaterMark else {
            hasRefused = true
            return HOSTD_E_LIMIT
        }
        unsentBytes += count
        return HOSTD_OK
    }

    /// So many bytes went out; true where the plugin waits to hear of it.
    mutating func sent(_ count: Int) -> Bool {
        unsentBytes -= count
        guard hasRefused, unsentBytes <= Self.lowWaterMark, state == .open else { return false }
        hasRefused = false
        return true
    }

    mutating func pause(_ on: Bool) { isPaused = on }

    enum CloseAction: Equatable {
        /// Nothing was written yet, or can be.
        case drop
        case flushThenClose
        case nothing
    }

    mutating func close() -> CloseAction {
        switch state {
        case .connecting, .handshaking:
            state = .closing
            return .drop
        case .open:
            state = .closing
            return .flushThenClose
        case .closing, .over: return .nothing
        }
    }

    /// False where it was over before.
    mutating func end() -> Bool {
        defer { state = .over }
        return state != .over
    }
}
