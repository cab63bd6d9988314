// SPDX-License-Identifier: Apache-2.0
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix

/// A loopback HTTP server whose paths say how it behaves; counts what reaches it.
final class SinkServer: Sendable {
    struct Counts: Sendable {
        var connections = 0
        var bytes = 0
        var requests: [String] = []
    }

    let port: Int
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let channel: any Channel
    private let box = NIOLockedValueBox(Counts())

    var counts: Counts { box.withLockedValue { $0 } }

    init() async throws {
        let box = box
        channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                box.withLockedValue { $0.connections += 1 }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ByteCounter(box))
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Behaviour(box))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        port = channel.localAddress?.port ?? 0
    }

    deinit {
        channel.close(promise: nil)
        group.shutdownGracefully { _ in }
    }

    func url(_ path: String, host: String = "127.0.0.1") -> String { "http://\(host):\(port)\(path)" }

    private final class ByteCounter: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let box: NIOLockedValueBox<Counts>
        init(_ box: NIOLockedValueBox<Counts>) { self.box = box }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let count = unwrapInboundIn(data).readableBytes
            box.withLockedValue { $0.bytes += count }
            context.fireChannelRead(data)
        }
    }

    private final class Behaviour: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart
        private let box: NIOLockedValueBox<Counts>
        private var head: HTTPRequestHead?
        private var body = ByteBuffer()
        init(_ box: NIOLockedValueBox<Counts>) { self.box = box }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                self.head = head
                body.clear()
            case .body(let part):
                body.writeImmutableBuffer(part)
            case .end:
                guard let head else { return }
                box.withLockedValue { $0.requests.append("\(head.method) \(head.uri)") }
                respond(context, head)
            }
        }

        private func respond(_ context: ChannelHandlerContext, _ head: HTTPRequestHead) {
            var headers = HTTPHeaders([("X-Echo", head.headers.first(name: "x-sent") ?? "")])
            switch head.uri {
            case "/ok": answer(context, .ok, headers, "hello")
            case "/agent": answer(context, .ok, headers, head.headers.first(name: "user-agent") ?? "")
            case "/post": answer(context, .ok, headers, "\(head.method) \(String(buffer: body))")
            case "/busy":
                headers.add(name: "Retry-After", value: "7")
                answer(context, .serviceUnavailable, headers, "")
            case "/big": answer(context, .ok, headers, String(repeating: "x", count: 3000))
            case "/endless": stream(context, headers)
            case "/moved":
                headers.add(name: "Location", value: "/ok")
                answer(context, .found, headers, "")
            case "/circle":
                headers.add(name: "Location", value: "/circle")
                answer(context, .found, headers, "")
            case "/away":
                headers.add(name: "Location", value: "http://localhost:\(context.localAddress?.port ?? 0)/ok")
                answer(context, .temporaryRedirect, headers, "")
            case "/cut": context.close(promise: nil)
            default: break  // "/hang": no answer at all
            }
        }

        private func answer(
            _ context: ChannelHandlerContext,
            _ status: HTTPResponseStatus,
            _ headers: HTTPHeaders,
            _ body: String
        ) {
            var headers = headers
            headers.add(name: "Content-Length", value: "\(body.utf8.count)")
            context.write(
                wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers))),
                promise: nil
            )
            if !body.isEmpty {
                context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: body)))), promise: nil)
            }
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }

        /// Chunks without end, as long as the other side takes them.
        private func stream(_ context: ChannelHandlerContext, _ headers: HTTPHeaders) {
            context.write(
                wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .ok, headers: headers))),
                promise: nil
            )
            more(NIOLoopBound(context, eventLoop: context.eventLoop))
        }

        private func more(_ context: NIOLoopBound<ChannelHandlerContext>) {
            let me = NIOLoopBound(self, eventLoop: context.eventLoop)
            context.value.writeAndFlush(
                wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: String(repeating: "y", count: 1000)))))
            ).whenSuccess { me.value.more(context) }
        }
    }
}
