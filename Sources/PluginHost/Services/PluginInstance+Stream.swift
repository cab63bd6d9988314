// SPDX-License-Identifier: Apache-2.0
import NIOCore
import PluginABI

// hostd.stream/1. All [serial].
extension PluginInstance {
    func streamConnect(
        _ request: UnsafePointer<hostd_stream_request>?,
        _ function: hostd_stream_fn?,
        _ user: UnsafeMutableRawPointer?
    ) -> hostd_op {
        let least = hostd_stream_request.end(of: \.port)
        guard let wanted = hostd_stream_request.read(request, atLeast: least), let function else {
            return hostd_op(HOSTD_E_INVAL)
        }
        if let refusal = refusal(for: wanted.site) { return hostd_op(refusal) }
        guard let target = streamTarget(wanted) else { return hostd_op(HOSTD_E_INVAL) }
        guard !target.isGuarded || AddressGuard.mayTry(host: target.host) else { return hostd_op(HOSTD_E_DENIED) }
        let stream = StreamConnection(
            instance: self,
            site: wanted.site,
            target: target,
            function: function,
            user: user
        )
        let op = operations.insert(stream)
        guard op > 0 else { return op }
        stream.op = op
        stream.start()
        return op
    }

    /// nil where it isn't a proper one.
    private func streamTarget(_ wanted: hostd_stream_request) -> StreamTarget? {
        let (host, service, tlsName) = (wanted.host.text, wanted.srv.text, wanted.tls_name.text)
        guard Self.isHost(host), tlsName.isEmpty || Self.isHost(tlsName), service.isEmpty || Self.isHost(service),
            wanted.port <= 65535, wanted.port > 0 || !service.isEmpty, !wanted.ca_file.bytes.contains(0)
        else { return nil }
        let timeoutMs = wanted.timeout_ms == 0 ? Int64(settings.http.timeoutMs) : Int64(wanted.timeout_ms)
        return StreamTarget(
            host: host,
            port: Int(wanted.port),
            service: service.isEmpty ? nil : service,
            usesTLS: wanted.flags & HOSTD_S_TLS != 0,
            tlsName: tlsName,
            caFile: wanted.ca_file.text,
            isGuarded: !settings.http.allowPrivate && wanted.flags & HOSTD_S_TRUSTED == 0,
            timeout: .milliseconds(timeoutMs)
        )
    }

    /// A name or an address; what else it is, the resolver decides.
    private static func isHost(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 255 && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }

    func streamPause(_ op: hostd_op, _ on: Int32) -> Int32 { withStream(op) { $0.pause(on != 0) } }

    func streamStartTLS(_ op: hostd_op) -> Int32 { withStream(op) { $0.startTLS() } }

    func streamWrite(_ op: hostd_op, _ bytes: hostd_str) -> Int32 { withStream(op) { $0.write(bytes) } }

    func streamClose(_ op: hostd_op) -> Int32 { withStream(op) { $0.close() } }

    private func withStream(_ op: hostd_op, _ body: (StreamConnection) -> Int32) -> Int32 {
        guard loop.inEventLoop else { return HOSTD_E_THREAD }
        guard let stream = operations[op] as? StreamConnection else { return HOSTD_E_STALE }
        return body(stream)
    }
}
