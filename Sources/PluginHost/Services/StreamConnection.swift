// SPDX-License-Identifier: Apache-2.0
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import PluginABI
import QueueCore

/// One stream of a plugin, from connect() to its last event.
///
/// On the loop.
final class StreamConnection: PluginOperation {
    let site: hostd_site
    var op: hostd_op = 0 {
        didSet { events.op = op }
    }
    private unowned let instance: PluginInstance
    private let target: StreamTarget
    private var machine: StreamStateMachine
    private var channel: (any Channel)?
    private let events: StreamEvents
    /// Written in this turn of the loop; goes out as one.
    private var outgoing = ByteBuffer()
    private var limit: Scheduled<Void>?

    private var loop: NIOIsolatedEventLoop { instance.loop.assumeIsolated() }

    init(
        instance: PluginInstance,
        site: hostd_site,
        target: StreamTarget,
        function: @escaping hostd_stream_fn,
        user: UnsafeMutableRawPointer?
    ) {
        self.instance = instance
        self.site = site
        self.target = target
        events = StreamEvents(instance: instance, function: function, user: user)
        machine = StreamStateMachine(usesTLS: target.usesTLS)
    }

    // MARK: - Connecting

    /// Nothing is told before this has returned.
    func start() {
        startLimit()
        instance.streams.servers(of: target).assumeIsolated().whenComplete { result in
            guard let servers = try? result.get(), !servers.isEmpty else {
                self.end(HOSTD_E_NOTFOUND, "DNS says that the service isn't offered")
                return
            }
            self.connect(servers[...])
        }
    }

    private func connect(_ servers: ArraySlice<StreamTarget.Server>) {
        guard machine.state == .connecting, let server = servers.first else { return }
        guard !target.isGuarded || AddressGuard.mayTry(host: server.host) else {
            retry(servers, AddressGuard.Refusal())
            return
        }
        let mine = NIOLoopBound(self, eventLoop: instance.loop)
        ClientBootstrap(group: instance.loop)
            .connectTimeout(target.timeout)
            // Nothing is read before it is known who the other side is.
            .channelOption(.autoRead, value: false)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Receiver(mine.value), name: Receiver.name)
                }
            }
            .connect(host: server.host, port: server.port)
            .assumeIsolated()
            .whenComplete { result in
                switch result {
                case .success(let channel): self.connected(channel, servers)
                case .failure(let error): self.retry(servers, error)
                }
            }
    }

    private func retry(_ servers: ArraySlice<StreamTarget.Server>, _ error: any Error) {
        guard machine.state == .connecting else { return }
        if servers.count > 1 {
            connect(servers.dropFirst())
        } else {
            fail(error)
        }
    }

    private func connected(_ channel: any Channel, _ servers: ArraySlice<StreamTarget.Server>) {
        guard machine.state == .connecting else {
            channel.close(promise: nil)
            return
        }
        if target.isGuarded {
            guard let address = channel.remoteAddress, AddressGuard.isPublic(address) else {
                channel.close(promise: nil)
                retry(servers, AddressGuard.Refusal())
                return
            }
        }
        self.channel = channel
        if machine.tcpConnected() {
            secure()
        } else {
            limit?.cancel()
            events.tell(.connected)
            updateReading()
        }
    }

    /// The deadline of what is begun now; when it passes the stream ends.
    private func startLimit() {
        limit?.cancel()
        limit = loop.scheduleTask(in: target.timeout) {
            self.end(HOSTD_E_TIMEOUT, "it wasn't done within \(self.target.timeout.nanoseconds / 1_000_000) ms")
        }
    }

    // MARK: - TLS

    private func secure() {
        instance.streams.context(caFile: target.caFile).assumeIsolated().whenComplete { result in
            guard self.machine.state == .handshaking, let channel = self.channel else { return }
            do {
                let handler = try NIOSSLClientHandler(context: result.get(), serverHostname: self.target.serverName)
                try channel.pipeline.syncOperations.addHandler(handler, position: .first)
                self.updateReading()
            } catch {
                self.fail(error)
            }
        }
    }

    fileprivate func handshakeCompleted() {
        guard let event = machine.handshakeCompleted() else { return }
        limit?.cancel()
        events.tell(event == HOSTD_S_SECURED ? .secured : .connected)
        updateReading()
    }

    // MARK: - The plugin's calls

    func startTLS() -> Int32 {
        let status = machine.startTLS()
        guard status == HOSTD_OK else { return status }
        // What was written in this turn goes first, and in the clear.
        flush()
        // The other side must not speak before the handshake has begun: nothing is read until then.
        _ = channel?.setOption(.autoRead, value: false)
        startLimit()
        secure()
        return HOSTD_OK
    }

    func write(_ bytes: hostd_str) -> Int32 {
        let status = machine.write(bytes.bytes.count)
        guard status == HOSTD_OK, !bytes.isEmpty else { return status }
        if outgoing.readableBytes == 0 { loop.execute { self.flush() } }
        outgoing.writeBytes(bytes.bytes)
        return HOSTD_OK
    }

    func pause(_ on: Bool) -> Int32 {
        guard machine.isPaused != on else { return HOSTD_OK }
        machine.pause(on)
        updateReading()
        events.pause(on)
        return HOSTD_OK
    }

    func close() -> Int32 {
        switch machine.close() {
        case .nothing: break
        case .drop: loop.execute { self.end(HOSTD_OK) }
        case .flushThenClose:
            flush()
            // A server that takes nothing mustn't keep it open for ever.
            startLimit()
            guard let channel else { break }
            channel.writeAndFlush(ByteBuffer()).assumeIsolated().whenComplete { _ in channel.close(promise: nil) }
        }
        return HOSTD_OK
    }

    func abandon() {
        _ = machine.end()
        release()
    }

    private func flush() {
        let count = outgoing.readableBytes
        guard count > 0, let channel else { return }
        let buffer = outgoing
        outgoing = ByteBuffer()
        channel.writeAndFlush(buffer).assumeIsolated().whenComplete { _ in
            if self.machine.sent(count) { self.events.tellWritable() }
        }
    }

    private func updateReading() {
        // An error means that the channel is closed, which its handler tells.
        _ = channel?.setOption(.autoRead, value: machine.reads)
    }

    // MARK: - The channel's events

    fileprivate func received(_ bytes: ByteBuffer) {
        // Between start_tls() and the handshake's begin nothing is read; what comes all the same is no part of TLS.
        guard machine.state != .handshaking else {
            end(HOSTD_E_IO, "the server sent plain text where TLS was to begin")
            return
        }
        events.tell(.data(bytes))
    }

    fileprivate func failed(_ error: any Error) {
        // Few servers say goodbye in TLS's own way once they are told that it is over.
        if machine.state == .closing, case NIOSSLError.uncleanShutdown = error {
            end(HOSTD_OK)
        } else {
            fail(error)
        }
    }

    fileprivate func becameInactive() {
        let isEarly = machine.state == .handshaking
        end(isEarly ? HOSTD_E_IO : HOSTD_OK, isEarly ? "the server closed the connection in the TLS handshake" : nil)
    }

    private func fail(_ error: any Error) {
        let problem = StreamProblem(error, name: target.serverName ?? target.host)
        end(problem.status, problem.words)
    }

    /// The stream is over; its last event follows those that wait.
    private func end(_ status: Int32, _ reason: String? = nil) {
        guard machine.end() else { return }
        if let reason {
            instance.log.host(
                .info,
                "a stream has failed",
                [
                    "site": "\(instance.siteTable[site]?.nickname.rawValue ?? "")",
                    "server": "\(target.host):\(target.port)",
                    "error": "\(reason)",
                ]
            )
        }
        release()
        events.tell(.closed(status, reason: reason ?? ""))
    }

    private func release() {
        limit?.cancel()
        channel?.close(promise: nil)
        channel = nil
    }
}

/// Hands the channel's events to the stream.
private final class Receiver: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    static let name = "hostd.stream"

    private let stream: StreamConnection

    init(_ stream: StreamConnection) { self.stream = stream }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { stream.received(unwrapInboundIn(data)) }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted? = event as? TLSUserEvent { stream.handshakeCompleted() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { stream.failed(error) }

    func channelInactive(context: ChannelHandlerContext) { stream.becameInactive() }
}
