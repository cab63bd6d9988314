// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Stomp
import Testing

/// The frames that StatusNet 0.9's own STOMP library writes and reads: 1.0, `name: value` with a space.
///
/// No content-length, no receipts, and an ACK that echoes every header of the MESSAGE.
@Suite struct StatusNetSampleTests {
    private static let envelope =
        #"a:3:{s:4:"site";s:4:"peer";s:7:"handler";s:7:"distrib";s:7:"payload";s:3:"123";}"#

    private func connected() throws -> ServerSessionStateMachine {
        var session = ServerSessionStateMachine.fresh { $0.credentials = StompCredentials(login: "u", passcode: "p") }
        #expect(try session.take("CONNECT\nlogin: u\npasscode: p\n\n") == "connected 1.0 client 0,0 server 0,0")
        return session
    }

    @Test("CONNECTED has a session, written without a space")
    func connect() throws {
        var session = ServerSessionStateMachine.fresh()
        guard case .connected(let connected) = session.receive(try .reading("CONNECT\nlogin: \npasscode: \n\n")) else {
            Issue.record("not connected")
            return
        }
        #expect(written { StompFrameEncoder.connected(connected, into: &$0) }.contains("\nsession:s-1\n"))
    }

    @Test("It subscribes to several destinations without an id")
    func subscribe() throws {
        var session = try connected()
        for (index, destination) in [
            "/topic/statusnet/control", "/queue/statusnet/main", "/queue/statusnet/main/omb",
            "/queue/statusnet/main/distrib/peer",
        ].enumerated() {
            #expect(
                try session.take("SUBSCRIBE\nack: client\nactivemq.prefetchSize: 1\ndestination: \(destination)\n\n")
                    == "subscribe \(index + 1) - \(destination) client 1"
            )
        }
    }

    @Test("A SEND's body is its octets up to the NUL", arguments: ["persistent: true\n", ""])
    func send(_ persistent: String) throws {
        let text =
            "SEND\ncreated: 2026-11-24 14:49:11\n\(persistent)destination: /queue/statusnet/main\n\n\(Self.envelope)"
        let frame = try StompFrame.reading(text, version: .v1_0)
        #expect(frame["created"] == "2026-11-24 14:49:11")
        #expect(frame.matches("persistent", "true") == !persistent.isEmpty)
        #expect(String(buffer: frame.body) == Self.envelope)
        var session = try connected()
        #expect(try session.take(text) == "send /queue/statusnet/main")
    }

    @Test("A payload beyond ASCII is kept octet by octet")
    func stringPayload() throws {
        let body = #"s:7:"payload";s:20:"s:12:"hello wörld";";}"#
        let frame = try StompFrame.reading("SEND\ndestination: /queue/statusnet/main\n\n\(body)", version: .v1_0)
        #expect(frame.body.readableBytes == body.utf8.count)
        #expect(String(buffer: frame.body) == body)
    }

    @Test("One message: BEGIN, a new SEND outside, the echoing ACK, COMMIT, BEGIN, and the end")
    func life() throws {
        var session = try connected()
        _ = try session.take("SUBSCRIBE\nack: client\nactivemq.prefetchSize: 1\ndestination: /queue/statusnet/main\n\n")
        #expect(try session.take("BEGIN\ntransaction: peer.1-1-1795531751\n\n") == "noted")
        let headers = session.deliver(77, messageID: "ID:hostd-1:1:77", to: 1)
        #expect(headers == DeliveryHeaders(subscription: nil, ack: nil, isSettled: false))
        #expect(session.room(of: 1) == 0)
        let stored = try StompFrame.reading(
            "SEND\ncreated: 2026-11-24 14:49:11\npersistent: true\ndestination: /queue/statusnet/main\n\n",
            version: .v1_0
        ).storedHeaders(except: [.destination])
        let message = written { buffer in
            let encoder = StompFrameEncoder(version: session.version)
            encoder.start(.message, into: &buffer)
            encoder.header(.messageID, "ID:hostd-1:1:77", into: &buffer)
            encoder.header(.destination, "/queue/statusnet/main", into: &buffer)
            encoder.header("redelivered", "true", into: &buffer)
            encoder.stored(stored, into: &buffer)
            encoder.finish(.message, body: ByteBuffer(string: Self.envelope), into: &buffer)
        }
        #expect(
            message == "MESSAGE\nmessage-id:ID:hostd-1:1:77\ndestination:/queue/statusnet/main\nredelivered:true\n"
                + "created:2026-11-24 14:49:11\npersistent:true\n\n\(Self.envelope)\0"
        )
        #expect(
            try session.take(
                "SEND\ncreated: 2026-11-24 14:49:12\ndestination: /queue/statusnet/main\n\n\(Self.envelope)"
            )
                == "send /queue/statusnet/main"
        )
        // Its library splits at the first colon, keeps values as they are, and writes them back with a space.
        let echo = message.split(separator: "\n").dropFirst().prefix { $0 != Self.envelope + "\0" }
            .map { $0.replacing(":", with: ": ", maxReplacements: 1) + "\n" }.joined()
        #expect(try session.take("ACK\n\(echo)transaction: peer.1-1-1795531751\n\n") == "noted")
        #expect(try session.take("COMMIT\ntransaction: peer.1-1-1795531751\n\n") == "commit [] acks [77] nacks []")
        #expect(try session.take("BEGIN\ntransaction: peer.1-2-1795531752\n\n") == "noted")
        #expect(try session.take("COMMIT\ntransaction: peer.1-2-1795531752\n\n") == "commit [] acks [] nacks []")
        #expect(try session.take("DISCONNECT\n\n") == "disconnect")
        #expect(session.end() == [])
    }

    @Test("An echoed content-length doesn't make the ACK wait for a body")
    func echoedContentLength() throws {
        let frames = try StompFrame.all(
            in: Array("ACK\ncontent-length: 83\nmessage-id: ID:1\n\n\0DISCONNECT\n\n\0".utf8),
            version: .v1_0
        )
        #expect(frames.map(\.command) == [.ack, .disconnect])
    }

    @Test("Control events go to the topic as plain text", arguments: ["update:peer", "restart", "shutdown"])
    func control(_ event: String) throws {
        let frame = try StompFrame.reading(
            "SEND\ncreated: 2026-11-24 14:49:11\ndestination: /topic/statusnet/control\n\n\(event)",
            version: .v1_0
        )
        #expect(frame[.destination] == "/topic/statusnet/control")
        #expect(String(buffer: frame.body) == event)
    }
}
