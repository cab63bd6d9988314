// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix
import Stomp
import TestSupport

/// A STOMP server that keeps what it is sent and gives receipts, up to a message that it refuses.
struct FakeBroker {
    struct Sent: Sendable {
        let headers: [String: String]
        let body: String
    }

    let sent = EventLog<Sent>()
    let logins = EventLog<String?>()
    let port: Int?
    private let channel: any Channel

    enum Address {
        case unix(String)
        case loopback
    }

    /// `refused`: the how-manieth SEND is answered by an ERROR.
    init(_ address: Address, refusing refused: Int? = nil) async throws {
        let (sent, logins) = (sent, logins)
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        FakeBrokerHandler(sent: sent, logins: logins, refused: refused)
                    )
                }
            }
        channel =
            switch address {
            case .unix(let path): try await bootstrap.bind(unixDomainSocketPath: path).get()
            case .loopback: try await bootstrap.bind(host: "127.0.0.1", port: 0).get()
            }
        port = channel.localAddress?.port
    }

    func stop() async { try? await channel.close().get() }
}

private final class FakeBrokerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let sent: EventLog<FakeBroker.Sent>
    private let logins: EventLog<String?>
    private let refused: Int?
    private var decoder = StompFrameDecoder()
    private var count = 0
    /// An ERROR was the last word.
    private var isDeaf = false

    init(sent: EventLog<FakeBroker.Sent>, logins: EventLog<String?>, refused: Int?) {
        self.sent = sent
        self.logins = logins
        self.refused = refused
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isDeaf { return }
        decoder.append(unwrapInboundIn(data))
        var answer = context.channel.allocator.buffer(capacity: 256)
        let encoder = StompFrameEncoder(version: .v1_2)
        while !isDeaf, let frame = try? decoder.next() {
            let receipt = frame[.receipt]
            switch frame.command {
            case .connect:
                logins.append(frame[.login].map { $0 + ":" + (frame[.passcode] ?? "") })
                StompFrameEncoder.encode(.connected, [("version", "1.2")], version: .v1_2, into: &answer)
                decoder.version = .v1_2
            case .send:
                count += 1
                if count == refused {
                    let full = StompError.refused(message: "no room", detail: "The disk is full.")
                    encoder.error(full, receipt: receipt, into: &answer)
                    // As a broker should: what is still on its way is read and thrown away, until the client closes. A close
                    // at once would reset the connection under the client's writes, and lose the ERROR.
                    isDeaf = true
                } else {
                    let headers = Dictionary(frame.headers.map { ($0.name, $0.value) }) { first, _ in first }
                    sent.append(.init(headers: headers, body: String(buffer: frame.body)))
                    if let receipt { encoder.receipt(receipt, into: &answer) }
                }
            case .disconnect:
                if let receipt { encoder.receipt(receipt, into: &answer) }
            default: isDeaf = true
            }
        }
        context.writeAndFlush(wrapOutboundOut(answer), promise: nil)
    }
}
