// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix
import Stomp
import TestSupport

/// A broker that keeps nothing, on a free port or a Unix socket: module Stomp's own server side behind a real socket.
final class FakeBroker: Sendable {
    /// What it does with a producer.
    enum Manner: Sendable {
        case confirms
        /// Confirms nothing until so many SENDs have come.
        case confirmsFrom(Int)
        /// Refuses the SEND of that number, from 1.
        case refuses(Int)
        /// Closes without a word at the SEND of that number.
        case closes(Int)
        case neverAnswers
        case talksNonsense
    }

    /// The SENDs that came.
    let sends: EventLog<FrameParts>
    let port: Int
    private let channel: any Channel

    static func start(
        _ manner: Manner = .confirms,
        unix path: String? = nil,
        credentials: StompCredentials? = nil
    ) async throws -> FakeBroker {
        let sends = EventLog<FrameParts>()
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).childChannelInitializer {
            channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(
                    FakeBrokerSession(manner: manner, credentials: credentials, sends: sends)
                )
            }
        }
        let channel =
            if let path {
                try await bootstrap.bind(unixDomainSocketPath: path).get()
            } else {
                try await bootstrap.bind(host: "127.0.0.1", port: 0).get()
            }
        return FakeBroker(channel: channel, sends: sends)
    }

    private init(channel: any Channel, sends: EventLog<FrameParts>) {
        self.channel = channel
        self.sends = sends
        port = channel.localAddress?.port ?? 0
    }

    deinit { channel.close(promise: nil) }

    var address: StompAddress { .tcp(host: "127.0.0.1", port: port) }
}

private final class FakeBrokerSession: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let manner: FakeBroker.Manner
    private let sends: EventLog<FrameParts>
    private var decoder = StompFrameDecoder()
    private var session: ServerSessionStateMachine
    private var receipts = ReceiptOrder()
    private var open: [ReceiptOrder.Ticket] = []
    private var count = 0

    init(manner: FakeBroker.Manner, credentials: StompCredentials?, sends: EventLog<FrameParts>) {
        self.manner = manner
        self.sends = sends
        session = ServerSessionStateMachine(
            configuration: ServerSessionConfiguration(server: "fake/1", credentials: credentials),
            session: "s"
        )
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .neverAnswers = manner { return }
        if case .talksNonsense = manner {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "HTTP/1.1 400 Bad Request\r\n\r\n")), promise: nil)
            return
        }
        decoder.append(unwrapInboundIn(data))
        var answer = ByteBuffer()
        var isOver = false
        do throws(StompError) {
            while !isOver, let frame = try decoder.next() {
                isOver = perform(session.receive(frame), into: &answer)
                decoder.version = session.version
            }
        } catch {
            isOver = perform(session.fail(error, receipt: decoder.failedReceipt), into: &answer)
        }
        if answer.readableBytes > 0 { context.writeAndFlush(wrapOutboundOut(answer), promise: nil) }
        if isOver { context.close(promise: nil) }
    }

    /// Returns whether the connection is over.
    private func perform(_ action: ServerSessionAction, into answer: inout ByteBuffer) -> Bool {
        let encoder = StompFrameEncoder(version: session.version)
        switch action {
        case .connected(let connected): StompFrameEncoder.connected(connected, into: &answer)
        case .fail(let error, let receipt):
            encoder.error(error, receipt: receipt, into: &answer)
            return true
        case .send(let frame, let receipt):
            count += 1
            sends.append(FrameParts(frame))
            if case .refuses(count) = manner {
                return perform(
                    session.fail(.refused(message: "disk full", detail: "The store's disk is full."), receipt: receipt),
                    into: &answer
                )
            }
            if case .closes(count) = manner { return true }
            open.append(receipts.begin(receipt: receipt))
            if case .confirmsFrom(let needed) = manner, count < needed { return false }
            for ticket in open { receipts.complete(ticket) }
            open = []
        case .disconnect(let receipt):
            receipts.complete(receipts.begin(receipt: receipt))
        default: break
        }
        while let receipt = receipts.next() { encoder.receipt(receipt, into: &answer) }
        return false
    }
}
