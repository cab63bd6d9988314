// SPDX-License-Identifier: Apache-2.0
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import NIOSSL
import TestSupport

#if canImport(Glibc)
import Glibc
#endif

/// A loopback TCP server whose lines say how it behaves; counts what reaches it.
///
/// Every byte is noted. A line `starttls` is answered with `proceed` and begins TLS, `half` closes the writing side only,
/// `cut` closes, `reset` resets; anything else is sent back.
final class ByteServer: Sendable {
    enum Behaviour: Sendable {
        case lines
        /// Accepts, and says and reads nothing until `read()`.
        case silent
    }

    let port: Int
    let connections = EventLog<any Channel>()
    /// All bytes as text, after TLS.
    let received = EventLog<String>()
    private let byteCount = NIOLockedValueBox(0)
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let channel: any Channel

    var bytes: Int { byteCount.withLockedValue { $0 } }

    /// Binds a free port.
    ///
    /// - `tls`: From the first byte.
    /// - `startTLS`: What `starttls` begins.
    init(_ behaviour: Behaviour = .lines, tls: NIOSSLContext? = nil, startTLS: NIOSSLContext? = nil) async throws {
        let (connections, received, byteCount) = (connections, received, byteCount)
        channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.autoRead, value: behaviour == .lines)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls)) }
                    try channel.pipeline.syncOperations.addHandler(
                        Lines(received, byteCount, startTLS)
                    )
                    connections.append(channel)
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        port = channel.localAddress?.port ?? 0
    }

    deinit {
        channel.close(promise: nil)
        group.shutdownGracefully { _ in }
    }

    /// The newest connection.
    func connection() async throws -> any Channel { try await connections.first("a connection") { _ in true } }

    func send(_ text: String) async throws {
        try await connection().writeAndFlush(ByteBuffer(string: text))
    }

    /// A silent server begins to read.
    func read() async throws { try await connection().setOption(.autoRead, value: true).get() }

    func heard(_ text: String) async throws {
        try await eventually("the server hears '\(text)'") { received.all.joined().contains(text) }
    }

    private final class Lines: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let received: EventLog<String>
        private let byteCount: NIOLockedValueBox<Int>
        private let startTLS: NIOSSLContext?

        init(_ received: EventLog<String>, _ byteCount: NIOLockedValueBox<Int>, _ startTLS: NIOSSLContext?) {
            self.received = received
            self.byteCount = byteCount
            self.startTLS = startTLS
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = unwrapInboundIn(data)
            byteCount.withLockedValue { $0 += bytes.readableBytes }
            guard bytes.readableBytes < 1000 else { return }
            let text = String(buffer: bytes)
            received.append(text)
            switch text {
            case "starttls":
                guard let startTLS else { return }
                context.writeAndFlush(NIOAny(ByteBuffer(string: "proceed")), promise: nil)
                try? context.pipeline.syncOperations.addHandler(
                    NIOSSLServerHandler(context: startTLS),
                    position: .first
                )
            case "half": context.close(mode: .output, promise: nil)
            case "cut": context.close(promise: nil)
            case "reset":
                // RST in place of FIN.
                let channel = context.channel
                guard let options = channel as? any SocketOptionProvider else { return }
                options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenSuccess { channel.close(promise: nil) }
            default: context.writeAndFlush(data, promise: nil)
            }
        }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case .inputClosed? = event as? ChannelEvent { context.close(promise: nil) }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}
