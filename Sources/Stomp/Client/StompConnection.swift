// SPDX-License-Identifier: Apache-2.0
package import NIOCore
import NIOPosix

/// A producer's connection to one broker: pipelined SENDs with a bounded number of outstanding receipts.
///
/// Used by queuectl, from any task. `send` returns when its messages are written, waiting for receipts of earlier ones
/// while the window is full; `confirm` returns when the broker has everything on disk. An ERROR frame, or the
/// connection's end, is thrown by whatever waits or comes later, with the broker's sentence.
package final class StompConnection: Sendable {
    private let channel: any Channel
    private let handler: NIOLoopBound<StompClientHandler>

    private init(channel: any Channel, handler: NIOLoopBound<StompClientHandler>) {
        self.channel = channel
        self.handler = handler
    }

    deinit { channel.close(promise: nil) }

    /// Connects and logs in.
    ///
    /// `window` is how many receipts may be outstanding; `limit` is how long connecting may take, and then the
    /// answer to CONNECT.
    package static func connect(
        _ address: StompAddress,
        login: String? = nil,
        passcode: String? = nil,
        window: Int = 1000,
        within limit: TimeAmount = .seconds(10),
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) async throws -> StompConnection {
        let loop = group.next()
        let connected = loop.makePromise(of: Void.self)
        let handler = try await loop.submit {
            let handler = StompClientHandler(
                loop: loop,
                login: login,
                passcode: passcode,
                window: window,
                connected: connected
            )
            return NIOLoopBound(handler, eventLoop: loop)
        }.get()
        let bootstrap = ClientBootstrap(group: loop)
            .connectTimeout(limit)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(handler.value)
                }
            }
        let channel: any Channel
        do {
            switch address {
            case .unix(let path): channel = try await bootstrap.connect(unixDomainSocketPath: path).get()
            case .tcp(let host, let port): channel = try await bootstrap.connect(host: host, port: port).get()
            }
        } catch {
            connected.fail(error)
            throw StompError.unreachable(address: address.description, reason: "\(error)")
        }
        let timer = loop.scheduleTask(in: limit) {
            handler.value.giveUp(.noAnswer(seconds: Int(limit.nanoseconds / 1_000_000_000)))
        }
        defer { timer.cancel() }
        try await connected.futureResult.get()
        return StompConnection(channel: channel, handler: handler)
    }

    /// Writes messages in order; one call for many costs less than many calls.
    package func send(_ messages: [StompMessage]) async throws {
        try await onLoop { handler in handler.send(messages) }
    }

    package func send(
        destination: String,
        headers: [(name: String, value: String)] = [],
        body: ByteBuffer,
        receipt: Bool = true
    ) async throws {
        try await send([StompMessage(destination: destination, headers: headers, body: body, wantsReceipt: receipt)])
    }

    /// Waits for all outstanding receipts; returns how many messages were confirmed since `connect`.
    @discardableResult
    package func confirm() async throws -> Int { try await onLoop { handler in handler.confirm() } }

    /// How far it got: for whoever has to tell it after a failure.
    package func progress() async -> StompProgress {
        let handler = handler
        return (try? await channel.eventLoop.submit { handler.value.progress }.get()) ?? StompProgress(confirmed: 0)
    }

    /// Waits for the receipts, says DISCONNECT, waits for its receipt and closes.
    package func disconnect() async throws {
        try await confirm()
        try await onLoop { handler in handler.disconnect() }
    }

    /// Closes at once: what isn't confirmed may have arrived or not.
    package func close() async { try? await channel.close() }

    private func onLoop<Value: Sendable>(
        _ work: @escaping @Sendable (StompClientHandler) -> EventLoopFuture<Value>
    ) async throws -> Value {
        try await channel.eventLoop.flatSubmit { [handler] in work(handler.value) }.get()
    }
}

/// What became of the messages that wanted a receipt, as far as the broker said.
package struct StompProgress: Sendable, Equatable {
    package var confirmed: Int
    /// The one that an ERROR frame named: 1 is the first that was sent.
    package var refused: Int?
}
