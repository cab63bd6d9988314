// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Gathers the flushes of all connections of one loop and performs them once, when the loop has nothing else at hand.
///
/// async-http-client flushes a request's head, body and end each by itself: three system calls where one does. Confined to
/// the loop.
final class FlushOncePerTick {
    private var waiting: [Handler] = []
    private let loop: any EventLoop

    init(loop: any EventLoop) { self.loop = loop }

    func makeHandler() -> Handler { Handler(self) }

    private func add(_ handler: Handler) {
        if waiting.isEmpty {
            loop.assumeIsolated().execute { self.flushAll() }
        }
        waiting.append(handler)
    }

    private func flushAll() {
        let handlers = waiting
        waiting.removeAll(keepingCapacity: true)
        for handler in handlers { handler.flushNow() }
    }

    /// First in the pipeline, next to the socket.
    final class Handler: ChannelOutboundHandler {
        typealias OutboundIn = ByteBuffer

        private unowned let gatherer: FlushOncePerTick
        private var context: ChannelHandlerContext?
        private var isWaiting = false

        fileprivate init(_ gatherer: FlushOncePerTick) { self.gatherer = gatherer }

        func handlerAdded(context: ChannelHandlerContext) { self.context = context }
        func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

        func flush(context: ChannelHandlerContext) {
            guard !isWaiting else { return }
            isWaiting = true
            gatherer.add(self)
        }

        fileprivate func flushNow() {
            isWaiting = false
            context?.flush()
        }
    }
}
