// SPDX-License-Identifier: Apache-2.0
import Stomp
import TestSupport
import Testing

@Suite struct ServerSessionAckTests {
    @Test("auto: what is sent is settled, and can't be acknowledged", arguments: StompVersion.allCases)
    func auto(_ version: StompVersion) throws {
        var session = try ServerSessionStateMachine.connected(version)
        let headers = try session.deliver(2, ack: "auto")
        #expect(headers.map(\.isSettled) == [true, true])
        #expect(headers.map(\.ack) == [nil, nil])
        #expect(session.room(of: 1) == Int.max)
        let outcome = try session.take("ACK\nid:1-1\nsubscription:a\nmessage-id:m1\n\n")
        #expect(outcome == (version == .v1_0 ? "unknown m1" : "fail unknown message"))
        #expect(session.end() == [])
    }

    @Test("client: an ACK or NACK covers all before it", arguments: StompVersion.allCases, ["ACK", "NACK"])
    func cumulative(_ version: StompVersion, _ command: String) throws {
        var session = try ServerSessionStateMachine.connected(version)
        let headers = try session.deliver(5, ack: "client")
        if command == "NACK", version == .v1_0 {
            #expect(try session.take("NACK\nmessage-id:m1\n\n") == "fail command of a later version")
            return
        }
        func expected(_ tokens: [Int]) -> String {
            command == "ACK" ? "settle acks \(tokens) nacks []" : "settle acks [] nacks \(tokens)"
        }
        #expect(try session.take(frame(command, version, headers, 3)) == expected([1, 2, 3]))
        #expect(try session.take(frame(command, version, headers, 4)) == expected([4]))
        #expect(session.room(of: 1) == 999)
        #expect(session.end() == [5])
    }

    @Test("client-individual: an ACK or NACK covers one", arguments: [StompVersion.v1_1, .v1_2])
    func individual(_ version: StompVersion) throws {
        var session = try ServerSessionStateMachine.connected(version)
        let headers = try session.deliver(4, ack: "client-individual")
        #expect(try session.take(frame("ACK", version, headers, 3)) == "settle acks [3] nacks []")
        #expect(try session.take(frame("NACK", version, headers, 1)) == "settle acks [] nacks [1]")
        #expect(try session.take(frame("ACK", version, headers, 3)) == "fail unknown message")
        #expect(session.end() == [2, 4])
    }

    @Test("Only a 1.2 client that acknowledges gets an ack header")
    func ackHeader() throws {
        for version in StompVersion.allCases {
            var session = try ServerSessionStateMachine.connected(version)
            let headers = try session.deliver(2, ack: "client")
            #expect(headers.map(\.ack) == (version == .v1_2 ? ["1-1", "1-2"] : [nil, nil]))
            #expect(headers.map(\.subscription) == ["a", "a"])
            #expect(headers.map(\.isSettled) == [false, false])
        }
    }

    @Test("In 1.1 an ACK names subscription and message-id")
    func ack1_1() throws {
        for text in [
            "message-id:m1\n", "subscription:a\n", "subscription:b\nmessage-id:m1\n", "subscription:a\nmessage-id:m9\n",
        ] {
            var session = try ServerSessionStateMachine.connected(.v1_1)
            _ = try session.deliver(1, ack: "client")
            #expect(try session.take("ACK\n\(text)\n").hasPrefix("fail"))
        }
    }

    @Test("A 1.0 client's ACK of an unknown message is reported, and its receipt answered")
    func unknownIn1_0() throws {
        var session = try ServerSessionStateMachine.connected(.v1_0)
        _ = try session.deliver(1, ack: "client")
        #expect(try session.take("ACK\nmessage-id: other\nreceipt: r\n\n") == "unknown other receipt r")
        #expect(try session.take("ACK\nmessage-id: m1\n\n") == "settle acks [1] nacks []")
        #expect(try session.take("ACK\nmessage-id: m1\n\n") == "unknown m1")
        #expect(session.isConnected)
    }

    @Test("A 1.0 client's ACK finds the message in any subscription")
    func anySubscriptionIn1_0() throws {
        var session = try ServerSessionStateMachine.connected(.v1_0)
        _ = try session.take("SUBSCRIBE\ndestination:/queue/a\nack:client\n\n")
        _ = try session.take("SUBSCRIBE\ndestination:/queue/b\nack:client\n\n")
        _ = session.deliver(1, messageID: "m1", to: 1)
        _ = session.deliver(2, messageID: "m2", to: 2)
        #expect(try session.take("ACK\nmessage-id:m2\n\n") == "settle acks [2] nacks []")
        #expect(session.end() == [1])
    }

    @Test("The same message in two subscriptions is acknowledged apart")
    func sameMessageTwice() throws {
        var session = try ServerSessionStateMachine.connected(.v1_1)
        for id in ["a", "b"] { _ = try session.take("SUBSCRIBE\nid:\(id)\ndestination:/topic/t\nack:client\n\n") }
        _ = session.deliver(1, messageID: "m", to: 1)
        _ = session.deliver(2, messageID: "m", to: 2)
        #expect(try session.take("ACK\nsubscription:b\nmessage-id:m\n\n") == "settle acks [2] nacks []")
        #expect(session.end() == [1])
    }

    @Test("Room is the prefetch less what is unacknowledged")
    func room() throws {
        var session = try ServerSessionStateMachine.connected()
        _ = try session.take("SUBSCRIBE\nid:a\ndestination:/q\nack:client-individual\nprefetch-count:2\n\n")
        #expect(session.room(of: 1) == 2)
        _ = session.deliver(1, messageID: "m1", to: 1)
        _ = session.deliver(2, messageID: "m2", to: 1)
        #expect(session.room(of: 1) == 0)
        _ = try session.take("ACK\nid:1-2\n\n")
        #expect(session.room(of: 1) == 1)
        #expect(session[serial: 1]?.unacknowledged == 1)
        #expect(session.room(of: 2) == 0)
    }

    @Test("Any order of individual ACKs settles each delivery exactly once")
    func randomOrder() throws {
        var random = SeededRandom()
        for version in [StompVersion.v1_1, .v1_2] {
            var session = try ServerSessionStateMachine.connected(version)
            let headers = try session.deliver(200, ack: "client-individual")
            var settled: [Int64] = []
            for index in (1...200).shuffled(using: &random).prefix(150) {
                guard
                    case .settle(let settlement, _) = session.receive(
                        try .reading(frame("ACK", version, headers, index), version: version)
                    )
                else {
                    Issue.record("ACK of \(index) wasn't taken")
                    return
                }
                settled += settlement.acks
            }
            #expect(Set(settled).count == 150)
            #expect(settled.count == 150)
            let back = session.end()
            #expect(back == back.sorted())
            #expect(Set(back).union(settled) == Set(1...200))
        }
    }

    /// What a client of that version writes to settle the `number`-th delivery.
    private func frame(
        _ command: String,
        _ version: StompVersion,
        _ headers: [DeliveryHeaders],
        _ number: Int
    ) -> String {
        switch version {
        case .v1_0: "\(command)\nmessage-id:m\(number)\n\n"
        case .v1_1: "\(command)\nsubscription:a\nmessage-id:m\(number)\n\n"
        case .v1_2: "\(command)\nid:\(headers[number - 1].ack ?? "")\n\n"
        }
    }
}
