// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix
import PluginABI
import Testing
import TestSupport

@testable import PluginHost

@Suite struct ServiceRecordTests {
    @Test("Priorities come in order; within one the weight decides how often a server is first")
    func order() {
        var random = SeededRandom(seed: 7)
        let records = [
            ServiceRecord(priority: 20, weight: 0, port: 1, target: "spare"),
            ServiceRecord(priority: 10, weight: 75, port: 1, target: "big"),
            ServiceRecord(priority: 10, weight: 25, port: 1, target: "small"),
        ]
        var firsts: [String: Int] = [:]
        for _ in 0..<1000 {
            let order = ServiceRecords.ordered(records, using: &random).map(\.target)
            #expect(Set(order).count == 3 && order.last == "spare")
            firsts[order[0], default: 0] += 1
        }
        #expect((650...850).contains(firsts["big"] ?? 0))
    }

    @Test("A real answer is read: priority, weight, port, target")
    func lookUp() async throws {
        let server = try await NameServer(records: [(5, 7, 5222, ["xmpp", "example"]), (9, 0, 5223, [])])
        let port = server.port
        let found = await Self.lookUp("_xmpp-client._tcp.example", port)
        #expect(
            found == [
                ServiceRecord(priority: 5, weight: 7, port: 5222, target: "xmpp.example"),
                ServiceRecord(priority: 9, weight: 0, port: 5223, target: ""),
            ]
        )
    }

    @Test("No such name is no record")
    func none() async throws {
        let server = try await NameServer(records: nil)
        #expect(await Self.lookUp("_xmpp-client._tcp.example", server.port).isEmpty)
    }

    @Test("The records are tried in order, then the host itself")
    func connect() async throws {
        let server = try await ByteServer()
        let port = server.port
        let closed: Int
        do { closed = try await ByteServer().port }
        let plugin = try await HostedPlugin("connected") { settings in
            settings.lookUpService = { name in
                switch name {
                case "_good._tcp.127.0.0.1":
                    [
                        ServiceRecord(priority: 1, weight: 0, port: UInt16(closed), target: "127.0.0.1"),
                        ServiceRecord(priority: 2, weight: 0, port: UInt16(port), target: "127.0.0.1"),
                    ]
                case "_bad._tcp.127.0.0.1":
                    [ServiceRecord(priority: 1, weight: 0, port: UInt16(closed), target: "127.0.0.1")]
                case "_never._tcp.127.0.0.1": [ServiceRecord(priority: 0, weight: 0, port: 0, target: "")]
                default: []
                }
            }
        }
        let trusted = HOSTD_S_TRUSTED
        _ = try await plugin.answer("open a \(trusted) 127.0.0.1 \(closed) 0 _good._tcp - -")
        #expect(try await plugin.report("a ") == "a connected 0")
        _ = try await plugin.answer("open b \(trusted) 127.0.0.1 \(port) 0 _bad._tcp - -")
        #expect(try await plugin.report("b ") == "b connected 0")
        _ = try await plugin.answer("open c \(trusted) 127.0.0.1 \(port) 0 _none._tcp - -")
        #expect(try await plugin.report("c ") == "c connected 0")
        // "." says that the service isn't offered: the host isn't tried either.
        _ = try await plugin.answer("open d \(trusted) 127.0.0.1 \(port) 0 _never._tcp - -")
        #expect(try await plugin.report("d closed") == "d closed \(HOSTD_E_NOTFOUND)")
    }

    @Test("What a record leads to is guarded as well")
    func guarded() async throws {
        let server = try await ByteServer()
        let port = server.port
        let plugin = try await HostedPlugin("connected") { settings in
            settings.lookUpService = { _ in
                [ServiceRecord(priority: 1, weight: 0, port: UInt16(port), target: "127.0.0.1")]
            }
        }
        _ = try await plugin.answer("open a 0 localhost \(port) 0 _x._tcp - -")
        #expect(try await plugin.report("a ") == "a closed \(HOSTD_E_DENIED)")
        #expect(server.bytes == 0)
    }

    /// Off the tests' threads, since it blocks.
    private static func lookUp(_ name: String, _ port: Int) async -> [ServiceRecord] {
        await withCheckedContinuation { continuation in
            NIOSingletons.posixBlockingThreadPool.submit { _ in
                continuation.resume(
                    returning: ServiceRecords.lookUp(name, server: ("127.0.0.1", UInt16(port)))
                )
            }
        }
    }
}

/// Answers every question on loopback with the same SRV records (RFC 1035, 4.1), or with "no such name".
private final class NameServer: Sendable {
    typealias Record = (priority: UInt16, weight: UInt16, port: UInt16, target: [String])

    let port: Int
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let channel: any Channel

    init(records: [Record]?) async throws {
        channel = try await DatagramBootstrap(group: group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Answers(records))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        port = channel.localAddress?.port ?? 0
    }

    deinit {
        channel.close(promise: nil)
        group.shutdownGracefully { _ in }
    }

    private final class Answers: ChannelInboundHandler {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>
        typealias OutboundOut = AddressedEnvelope<ByteBuffer>
        private let records: [Record]?

        init(_ records: [Record]?) { self.records = records }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let question = unwrapInboundIn(data)
            guard let id = question.data.getInteger(at: 0, as: UInt16.self),
                // The name ends with an empty label, then type and class.
                let end = question.data.readableBytesView.dropFirst(12).firstIndex(of: 0)
            else { return }
            var answer = ByteBuffer()
            answer.writeMultipleIntegers(
                id,
                UInt16(records == nil ? 0x8183 : 0x8180),
                UInt16(1),
                UInt16(records?.count ?? 0)
            )
            answer.writeMultipleIntegers(UInt16(0), UInt16(0))
            answer.writeBytes(question.data.readableBytesView[question.data.readerIndex + 12..<end + 5])
            for record in records ?? [] {
                // A pointer to the question's name, SRV, IN, a minute.
                answer.writeMultipleIntegers(UInt16(0xC00C), UInt16(33), UInt16(1), UInt32(60))
                let length = record.target.reduce(1) { $0 + $1.utf8.count + 1 }
                answer.writeMultipleIntegers(UInt16(6 + length), record.priority, record.weight, record.port)
                for label in record.target {
                    answer.writeInteger(UInt8(label.utf8.count))
                    answer.writeString(label)
                }
                answer.writeInteger(UInt8(0))
            }
            context.writeAndFlush(
                wrapOutboundOut(AddressedEnvelope(remoteAddress: question.remoteAddress, data: answer)),
                promise: nil
            )
        }
    }
}
