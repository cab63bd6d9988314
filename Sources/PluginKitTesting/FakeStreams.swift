// SPDX-License-Identifier: Apache-2.0

import PluginABI
public import PluginKit

/// The byte streams of a fake host: all that a plugin has opened, and what the other sides do.
public final class FakeStreams: Sendable {
    private struct State {
        var opened: [FakeStream] = []
        var answer: @Sendable (FakeStream) -> Void = { $0.accept() }
    }

    private let state = Locked(State())

    init() {}

    /// Every stream that was opened so far, in order.
    public var opened: [FakeStream] { state.withLock { $0.opened } }

    /// From now on the other side does this with each stream that a plugin opens; without it, it accepts.
    ///
    /// The answer may accept, send, close, or keep the stream for later.
    public func answer(_ answer: @escaping @Sendable (FakeStream) -> Void) { state.withLock { $0.answer = answer } }

    /// From now on streams fail to open.
    public func refuse(_ code: HostError.Code) { answer { $0.close(code) } }

    func open(_ stream: FakeStream) {
        let answer = state.withLock { state in
            state.opened.append(stream)
            return state.answer
        }
        answer(stream)
    }

    func find(_ operation: hostd_op) -> FakeStream? {
        state.withLock { state in state.opened.last { $0.operation == operation } }
    }
}

/// The other side of one stream that a plugin has opened.
///
/// What it does reaches the plugin on the host's thread, in order, never from within the plugin's own call. Any thread.
public final class FakeStream: Sendable {
    private struct State {
        var written: [UInt8] = []
        var react: @Sendable (FakeStream, [UInt8]) -> Void = { _, _ in }
        var secure: @Sendable (FakeStream) -> Void = { $0.secure() }
        /// Sent while the plugin reads nothing.
        var held: [[UInt8]] = []
        var isConnected = false
        var isSecured = false
        var isPaused = false
        var isStalled = false
        var hasRefused = false
        var isClosing = false
    }

    /// What the plugin asked for.
    public let request: StreamRequest
    let operation: hostd_op
    private let callback: Callback<hostd_stream_fn>
    // The host is never freed; see FakeHost.
    private unowned let host: FakeHost
    private let state = Locked(State())

    init(_ request: StreamRequest, _ operation: hostd_op, _ callback: Callback<hostd_stream_fn>, _ host: FakeHost) {
        self.request = request
        self.operation = operation
        self.callback = callback
        self.host = host
    }

    // MARK: - What the plugin did

    /// All that the plugin has written.
    public var written: [UInt8] { state.withLock { $0.written } }
    /// The same as text.
    public var text: String { String(decoding: written, as: UTF8.self) }
    /// What it has written since the last call.
    public func takeText() -> String {
        let bytes = state.withLock { state in
            defer { state.written = [] }
            return state.written
        }
        return String(decoding: bytes, as: UTF8.self)
    }
    /// TLS is in force: asked for with the request, or since ``secure()``.
    public var isSecured: Bool { state.withLock { $0.isSecured } }
    /// The plugin reads nothing at present.
    public var isPaused: Bool { state.withLock { $0.isPaused } }
    /// It has ended: by either side, by the plugin's cancel() or with its site.
    public var isOver: Bool { host.state.withLock { $0.operations[operation] == nil } }

    // MARK: - What the other side does

    /// From now on this runs whenever the plugin has written something.
    public func react(_ react: @escaping @Sendable (FakeStream, [UInt8]) -> Void) {
        state.withLock { $0.react = react }
    }

    /// This runs when the plugin begins the TLS handshake; without it the handshake succeeds.
    public func onStartTLS(_ secure: @escaping @Sendable (FakeStream) -> Void) { state.withLock { $0.secure = secure } }

    /// Takes the connection.
    public func accept() {
        state.withLock { state in
            state.isConnected = true
            state.isSecured = request.usesTLS
        }
        tell(HOSTD_S_CONNECTED)
    }

    /// Ends the TLS handshake well.
    public func secure() {
        state.withLock { $0.isSecured = true }
        tell(HOSTD_S_SECURED)
    }

    /// Sends bytes, in pieces of at most `chunk`.
    public func send(_ bytes: [UInt8], chunk: Int = .max) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = [UInt8](rest.prefix(max(1, chunk)))
            rest = rest.dropFirst(piece.count)
            HostThread.post { [self] in
                let isHeld = state.withLock { state in
                    if state.isPaused { state.held.append(piece) }
                    return state.isPaused
                }
                if !isHeld { call(HOSTD_S_DATA, piece) }
            }
        }
    }

    /// Sends text, in pieces of at most `chunk` bytes.
    public func send(_ text: String, chunk: Int = .max) { send([UInt8](text.utf8), chunk: chunk) }

    /// Takes no more bytes, so that the plugin's writes are refused, until ``resume()``.
    public func stall() { state.withLock { $0.isStalled = true } }

    /// Takes bytes again.
    public func resume() {
        let isAwaited = state.withLock { state in
            defer { (state.isStalled, state.hasRefused) = (false, false) }
            return state.hasRefused
        }
        if isAwaited { tell(HOSTD_S_WRITABLE) }
    }

    /// Ends the stream: in order, or as a failure.
    public func close(_ code: HostError.Code? = nil) {
        HostThread.post { [self] in
            guard host.state.withLock({ $0.operations.removeValue(forKey: operation) }) != nil else { return }
            callback.function(callback.user, operation, HOSTD_S_CLOSED, code?.status ?? HOSTD_OK, hostd_str())
        }
    }

    /// Returns when the plugin has seen all that was sent so far.
    public func settle() async { await HostThread.run {} }

    // MARK: - The plugin's calls, on the host's thread

    func pause(_ on: Bool) -> Int32 {
        let held = state.withLock { state -> [[UInt8]] in
            state.isPaused = on
            guard !on else { return [] }
            defer { state.held = [] }
            return state.held
        }
        // Anew through send(): the plugin may pause again on the way.
        for piece in held { send(piece) }
        return HOSTD_OK
    }

    func startTLS() -> Int32 {
        let secure = state.withLock { state in state.isConnected && !state.isSecured ? state.secure : nil }
        guard let secure else { return HOSTD_E_INVAL }
        secure(self)
        return HOSTD_OK
    }

    func write(_ bytes: [UInt8]) -> Int32 {
        let (status, react) = state.withLock { state -> (Int32, (@Sendable (FakeStream, [UInt8]) -> Void)?) in
            guard state.isConnected, !state.isClosing else { return (HOSTD_E_INVAL, nil) }
            guard !state.isStalled else {
                state.hasRefused = true
                return (HOSTD_E_LIMIT, nil)
            }
            state.written += bytes
            return (HOSTD_OK, state.react)
        }
        react?(self, bytes)
        return status
    }

    func close() -> Int32 {
        let isFirst = state.withLock { state in
            defer { state.isClosing = true }
            return !state.isClosing
        }
        if isFirst { close(nil) }
        return HOSTD_OK
    }

    private func tell(_ event: UInt32) {
        HostThread.post { [self] in call(event, []) }
    }

    private func call(_ event: UInt32, _ bytes: [UInt8]) {
        guard host.state.withLock({ $0.operations[operation] != nil }) else { return }
        bytes.withSlice { callback.function(callback.user, operation, event, HOSTD_OK, $0) }
    }
}
