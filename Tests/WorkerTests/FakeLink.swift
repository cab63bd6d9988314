// SPDX-License-Identifier: Apache-2.0
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import TestSupport
import WorkerLink

/// The broker's end of worker links, on a socket: a test sees what comes and sends what it likes.
final class FakeLink: Sendable {
    /// Each message, with the number of the link (1, 2, ...) that it came by.
    let received = EventLog<(link: Int, message: LinkMessage)>()
    private let links = NIOLockedValueBox<[any Channel]>([])
    private let listener: any Channel

    init(path: String) async throws {
        let (links, received) = (links, received)
        listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                let number = links.withLockedValue { links in
                    links.append(channel)
                    return links.count
                }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([
                        ByteToMessageHandler(LinkMessageDecoder()), MessageToByteHandler(LinkMessageEncoder()),
                        Receiver { received.append((number, $0)) },
                    ])
                }
            }
            .bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
    }

    deinit {
        listener.close(promise: nil)
        for link in links.withLockedValue({ $0 }) { link.close(promise: nil) }
    }

    func send(_ message: LinkMessage) async throws {
        try await links.withLockedValue { $0.last }?.writeAndFlush(message)
    }

    /// Breaks the newest link.
    func cut() async throws { try await links.withLockedValue { $0.last }?.close() }

    func hello(link: Int) async throws -> LinkHello {
        let found = try await received.first("hello on link \(link)") {
            if case .hello = $0.message { $0.link == link } else { false }
        }
        guard case .hello(let hello) = found.message else {
            throw TestSupportError.cannotCreate("hello", reason: "none")
        }
        return hello
    }

    /// All results so far.
    var results: [ItemResult] {
        received.all.flatMap { received -> [ItemResult] in
            guard case .results(let results) = received.message else { return [] }
            return results
        }
    }

    private final class Receiver: ChannelInboundHandler {
        typealias InboundIn = LinkMessage
        private let take: @Sendable (LinkMessage) -> Void
        init(_ take: @escaping @Sendable (LinkMessage) -> Void) { self.take = take }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) { take(unwrapInboundIn(data)) }
    }
}
