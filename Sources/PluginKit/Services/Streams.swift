// SPDX-License-Identifier: Apache-2.0

import PluginABI

/// Where a stream leads, and how.
public struct StreamRequest: Sendable {
    /// A name or an address.
    public var host: String
    /// Where no SRV record says otherwise.
    public var port: Int
    /// A service such as `_xmpp-client._tcp`: the SRV records of ``host`` are tried first, then ``host`` and ``port``.
    public var srv: String?
    /// TLS from the first byte; else ``ByteStream/startTLS()`` may follow.
    ///
    /// Certificates are always checked.
    public var usesTLS = false
    /// The name that the certificate must have; nil = ``host``.
    public var tlsName: String?
    /// A PEM file with certificate authorities that are trusted besides the system's.
    public var caFile: String?
    /// The operator's configuration names ``host``: private addresses are allowed.
    public var isTrusted = false
    /// For name look-up, connection and TLS handshake together; nil = the host's default.
    public var timeout: Duration?

    /// A plain stream.
    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }
}

/// What happens to a stream.
public enum StreamEvent: Sendable, Hashable {
    /// It may be written to; the first event.
    ///
    /// With ``StreamRequest/usesTLS`` the handshake is over by then.
    case connected
    /// Bytes have come.
    case data([UInt8])
    /// The handshake that ``ByteStream/startTLS()`` has begun is over.
    case secured
    /// After a write that was refused for ``HostError/Code/overLimit``: there is room again.
    case writable
    /// The last event; nil = it ended in order, by either side.
    case closed(HostError?)
}

/// Long-lived byte streams to other servers (`hostd.stream/1`).
@HostActor
public struct Streams {
    let site: Site

    /// Opens a stream; `action` gets its events, never before this has returned, the last one is ``StreamEvent/closed(_:)``.
    ///
    /// Letting go of the stream doesn't close it; the close of the site cancels it, without an event.
    public func connect(
        _ request: StreamRequest,
        _ action: @escaping @HostActor (ByteStream, StreamEvent) -> Void
    ) throws(HostError) -> ByteStream {
        try ByteStream(site, request, action)
    }
}

/// A stream that is being opened, is open, or has ended.
@HostActor
public final class ByteStream {
    private let host: Host
    private let name: String
    private let action: @HostActor (ByteStream, StreamEvent) -> Void
    private var operation: hostd_op = 0
    private var isOver = false

    fileprivate init(
        _ site: Site,
        _ request: StreamRequest,
        _ action: @escaping @HostActor (ByteStream, StreamEvent) -> Void
    ) throws(HostError) {
        host = site.host
        name = "\(request.host):\(request.port)"
        self.action = action
        guard let connect = host.stream?.pointee.connect else {
            throw HostError(.unsupported, Host.Service.stream.rawValue)
        }
        // The host holds one reference until it has said that the stream is closed, or has cancelled it.
        let user = Unmanaged.passRetained(self)
        let handle = site.handle
        operation = request.withABI(site: handle) { request in
            connect(
                host.table,
                request,
                { user, _, event, status, data in ByteStream.report(user, event, status, data) },
                user.toOpaque()
            )
        }
        guard operation > 0 else {
            isOver = true
            user.release()
            throw HostError(status: Int32(truncatingIfNeeded: operation), "connecting to \(name)")
        }
    }

    /// Sends bytes, all or none of them.
    ///
    /// Throws ``HostError/Code/overLimit`` while too much waits to be sent: wait for ``StreamEvent/writable``.
    public func write(_ bytes: [UInt8]) throws(HostError) {
        try check("writing to") { stream in
            bytes.withSlice { stream.pointee.write?(host.table, operation, $0) }
        }
    }

    /// Begins the TLS handshake; ``StreamEvent/secured`` or ``StreamEvent/closed(_:)`` follows.
    public func startTLS() throws(HostError) {
        try check("starting TLS with") { $0.pointee.start_tls?(host.table, operation) }
    }

    /// While on, nothing is read, so that the other side must wait.
    public func pause(_ on: Bool) {
        guard !isOver else { return }
        _ = host.stream?.pointee.pause?(host.table, operation, on ? 1 : 0)
    }

    /// Sends what was written, then closes; ``StreamEvent/closed(_:)`` follows.
    public func close() {
        guard !isOver else { return }
        _ = host.stream?.pointee.close?(host.table, operation)
    }

    /// Drops it at once, without a further event.
    public func cancel() {
        guard !isOver else { return }
        isOver = true
        guard host.table.pointee.cancel?(host.table, operation) == HOSTD_OK else { return }
        Unmanaged.passUnretained(self).release()
    }

    private func check(
        _ what: String,
        _ call: (UnsafePointer<hostd_stream>) -> Int32?
    ) throws(HostError) {
        guard !isOver, let stream = host.stream else { throw HostError(.stale, "\(what) \(name)") }
        let status = call(stream) ?? HOSTD_E_UNSUPPORTED
        guard status == HOSTD_OK else { throw HostError(status: status, "\(what) \(name)") }
    }

    private nonisolated static func report(
        _ user: UnsafeMutableRawPointer?,
        _ event: UInt32,
        _ status: Int32,
        _ data: hostd_str
    ) {
        guard let user else { return }
        let stream = Unmanaged<ByteStream>.fromOpaque(user).takeUnretainedValue()
        let bytes = [UInt8](data.bytes)
        HostExecutor.shared.enter()
        HostActor.assumeIsolated { stream.report(event, status, bytes) }
        HostExecutor.shared.leave()
    }

    private func report(_ event: UInt32, _ status: Int32, _ bytes: [UInt8]) {
        guard !isOver else { return }
        switch event {
        case HOSTD_S_CONNECTED: action(self, .connected)
        case HOSTD_S_DATA: action(self, .data(bytes))
        case HOSTD_S_SECURED: action(self, .secured)
        case HOSTD_S_WRITABLE: action(self, .writable)
        case HOSTD_S_CLOSED:
            isOver = true
            let reason = String(decoding: bytes, as: UTF8.self)
            let error = status == HOSTD_OK ? nil : HostError(status: status, "the stream to \(name)", reason: reason)
            // The host's reference ends with this event.
            Unmanaged.passUnretained(self).release()
            action(self, .closed(error))
        default: break  // of a later host
        }
    }
}

extension StreamRequest {
    /// Lends the request to the host for one call.
    fileprivate func withABI(site: hostd_site, _ body: (UnsafePointer<hostd_stream_request>) -> hostd_op) -> hostd_op {
        var arena = Arena()
        let texts = [host, srv ?? "", tlsName ?? "", caFile ?? ""].map { arena.add($0) }
        return arena.bytes.withUnsafeBytes { bytes in
            var request = hostd_stream_request(
                struct_size: structSize(hostd_stream_request.self),
                flags: (usesTLS ? HOSTD_S_TLS : 0) | (isTrusted ? HOSTD_S_TRUSTED : 0),
                site: site,
                host: bytes.slice(texts[0]),
                srv: bytes.slice(texts[1]),
                tls_name: bytes.slice(texts[2]),
                ca_file: bytes.slice(texts[3]),
                port: UInt32(clamping: port),
                timeout_ms: timeout?.wholeMilliseconds ?? 0
            )
            return body(&request)
        }
    }
}

extension Site {
    /// Byte streams to other servers (`hostd.stream/1`).
    public var streams: Streams { Streams(site: self) }
}
