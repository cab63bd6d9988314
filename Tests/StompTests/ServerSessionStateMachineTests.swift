// SPDX-License-Identifier: Apache-2.0
import Stomp
import Testing

@Suite struct ServerSessionStateMachineTests {
    // MARK: Connecting

    @Test(
        "The highest common version is taken; none named means 1.0",
        arguments: [
            ("", "connected 1.0 client 0,0 server 0,0"),
            ("accept-version:1.0\n", "connected 1.0 client 0,0 server 0,0"),
            ("accept-version:1.0,1.1\n", "connected 1.1 client 0,0 server 10000,5000"),
            ("accept-version:1.2,1.1,1.0\n", "connected 1.2 client 0,0 server 10000,5000"),
            ("accept-version:1.1, 1.2\n", "connected 1.2 client 0,0 server 10000,5000"),
            ("accept-version:1.2,2.0\n", "connected 1.2 client 0,0 server 10000,5000"),
            ("accept-version:2.0\n", "fail unsupported version"), ("accept-version:\n", "fail unsupported version"),
        ]
    )
    func versions(_ header: String, _ outcome: String) throws {
        for command in ["CONNECT", "STOMP"] {
            var session = ServerSessionStateMachine.fresh()
            #expect(try session.take("\(command)\n\(header)host:any\n\n") == outcome)
        }
    }

    @Test("The client's heart-beat is read from 1.1 on, and a bad one refused")
    func heartBeat() throws {
        var session = ServerSessionStateMachine.fresh()
        #expect(
            try session.take("CONNECT\naccept-version:1.1\nheart-beat:1000,0\n\n")
                == "connected 1.1 client 1000,0 server 10000,5000"
        )
        for bad in ["1000", "-1,0", "a,b", "1,2,3", "", "9999999999,0"] {
            session = ServerSessionStateMachine.fresh()
            #expect(try session.take("CONNECT\naccept-version:1.2\nheart-beat:\(bad)\n\n") == "fail bad header")
        }
        session = ServerSessionStateMachine.fresh()
        #expect(try session.take("CONNECT\nheart-beat:nonsense\n\n") == "connected 1.0 client 0,0 server 0,0")
    }

    @Test(
        "Login and passcode must both be right",
        arguments: [
            ("login:u\npasscode:p\n", true), ("login:u\npasscode:q\n", false), ("login:v\npasscode:p\n", false),
            ("login:u\n", false), ("passcode:p\n", false), ("", false), ("login:u\npasscode:pp\n", false),
            ("login: u\npasscode: p\n", true),
        ]
    )
    func credentials(_ headers: String, _ isRight: Bool) throws {
        var session = ServerSessionStateMachine.fresh { $0.credentials = StompCredentials(login: "u", passcode: "p") }
        #expect(try session.take("CONNECT\n\(headers)\n").hasPrefix(isRight ? "connected" : "fail access refused"))
        #expect(session.isConnected == isRight)
    }

    @Test("Credentials are never printed")
    func secret() {
        let credentials = StompCredentials(login: "user", passcode: "swordfish")
        var dumped = ""
        dump(ServerSessionConfiguration(server: "x", credentials: credentials), to: &dumped)
        for text in ["\(credentials)", String(reflecting: credentials), dumped] { #expect(!text.contains("swordfish")) }
    }

    // MARK: Illegal moves

    @Test("Nothing but CONNECT and STOMP comes first", arguments: StompCommand.allCases)
    func beforeConnect(_ command: StompCommand) throws {
        var session = ServerSessionStateMachine.fresh()
        let outcome = try session.take("\(command.rawValue)\nreceipt:r\n\n")
        switch command {
        case .connect, .stomp: #expect(outcome.hasPrefix("connected"))
        case .connected: #expect(outcome == "fail a server's command")
        case .message, .receipt, .error: #expect(outcome == "fail a server's command receipt r")
        default: #expect(outcome == "fail not connected receipt r")
        }
    }

    @Test("Nothing comes after DISCONNECT", arguments: StompCommand.allCases.filter { !$0.isServerCommand })
    func afterDisconnect(_ command: StompCommand) throws {
        var session = try ServerSessionStateMachine.connected()
        #expect(try session.take("DISCONNECT\nreceipt:bye\n\n") == "disconnect receipt bye")
        #expect(try session.take("\(command.rawValue)\n\n") == "fail frame after DISCONNECT")
    }

    @Test("After an error frames are dropped", arguments: StompCommand.allCases)
    func afterError(_ command: StompCommand) throws {
        var session = try ServerSessionStateMachine.connected()
        #expect(try session.take("SEND\n\n") == "fail missing header")
        #expect(try session.take("\(command.rawValue)\ndestination:/queue/a\nreceipt:r\n\n") == "noted")
        #expect(session.deliver(1, messageID: "m", to: 1) == nil)
    }

    @Test(
        "What a connected client may not send is refused, with the receipt's id",
        arguments: [
            ("CONNECT\n\n", "fail already connected"), ("STOMP\n\n", "fail already connected"),
            ("CONNECTED\n\n", "fail a server's command"), ("MESSAGE\n\n", "fail a server's command"),
            ("RECEIPT\n\n", "fail a server's command"), ("ERROR\n\n", "fail a server's command"),
            ("SEND\nreceipt:r\n\n", "fail missing header receipt r"), ("SEND\ndestination:\n\n", "fail missing header"),
            ("SEND\ndestination:/q\ntransaction:t\n\n", "fail unknown transaction"),
            ("SUBSCRIBE\nid:1\n\n", "fail missing header"), ("SUBSCRIBE\ndestination:/q\n\n", "fail missing header"),
            ("SUBSCRIBE\nid:\ndestination:/q\n\n", "fail missing header"),
            ("SUBSCRIBE\nid:1\ndestination:/q\nack:maybe\n\n", "fail bad header"),
            ("SUBSCRIBE\nid:1\ndestination:/q\nprefetch-count:many\n\n", "fail bad header"),
            ("SUBSCRIBE\nid:1\ndestination:/q\nactivemq.prefetchSize:-1\n\n", "fail bad header"),
            ("UNSUBSCRIBE\n\n", "fail missing header"), ("UNSUBSCRIBE\nid:9\n\n", "fail unknown subscription"),
            ("ACK\n\n", "fail missing header"), ("NACK\n\n", "fail missing header"),
            ("ACK\nid:1-1\n\n", "fail unknown message"), ("ACK\nid:nonsense\n\n", "fail unknown message"),
            ("NACK\nid:1-99999999999999999999\n\n", "fail unknown message"),
            ("ACK\nid:1-1\ntransaction:t\n\n", "fail unknown transaction"),
            ("BEGIN\n\n", "fail missing header"), ("BEGIN\ntransaction:\n\n", "fail missing header"),
            ("COMMIT\n\n", "fail missing header"), ("COMMIT\ntransaction:t\n\n", "fail unknown transaction"),
            ("ABORT\n\n", "fail missing header"), ("ABORT\ntransaction:t\n\n", "fail unknown transaction"),
        ]
    )
    func illegal(_ text: String, _ outcome: String) throws {
        var session = try ServerSessionStateMachine.connected()
        #expect(try session.take(text) == outcome)
        #expect(!session.isConnected)
    }

    // MARK: Sending and subscribing

    @Test("SEND comes out with its receipt")
    func send() throws {
        var session = try ServerSessionStateMachine.connected()
        #expect(try session.take("SEND\ndestination:/queue/a\nreceipt:r1\n\nbody") == "send /queue/a receipt r1")
        #expect(try session.take("SEND\ndestination:/queue/b\n\nbody") == "send /queue/b")
    }

    @Test("A subscription has its mode and prefetch")
    func subscribe() throws {
        var session = try ServerSessionStateMachine.connected { $0.maximumPrefetch = 5000 }
        #expect(
            try session.take("SUBSCRIBE\nid:x\ndestination:/queue/a\nreceipt:r\n\n")
                == "subscribe 1 x /queue/a auto 1000 receipt r"
        )
        #expect(
            try session.take("SUBSCRIBE\nid:y\ndestination:/queue/a\nack:client\nprefetch-count:7\n\n")
                == "subscribe 2 y /queue/a client 7"
        )
        #expect(
            try session.take(
                "SUBSCRIBE\nid:z\ndestination:/queue/a\nack:client-individual\nactivemq.prefetchSize:1\n\n"
            )
                == "subscribe 3 z /queue/a client-individual 1"
        )
        #expect(
            try session.take("SUBSCRIBE\nid:0\ndestination:/queue/a\nprefetch-count:0\n\n")
                == "subscribe 4 0 /queue/a auto 1000"
        )
        #expect(
            try session.take("SUBSCRIBE\nid:big\ndestination:/queue/a\nprefetch-count:1000000\n\n")
                == "subscribe 5 big /queue/a auto 5000"
        )
    }

    @Test("A subscription id is used once at a time")
    func duplicateSubscription() throws {
        var session = try ServerSessionStateMachine.connected()
        _ = try session.take("SUBSCRIBE\nid:x\ndestination:/queue/a\n\n")
        #expect(try session.take("UNSUBSCRIBE\nid:x\nreceipt:u\n\n") == "unsubscribe 1 back [] receipt u")
        #expect(try session.take("SUBSCRIBE\nid:x\ndestination:/queue/a\n\n") == "subscribe 2 x /queue/a auto 1000")
        #expect(try session.take("SUBSCRIBE\nid:x\ndestination:/queue/b\n\n") == "fail duplicate subscription")
    }

    @Test("A 1.0 subscription may be named by its destination")
    func subscriptionBy1_0() throws {
        var session = try ServerSessionStateMachine.connected(.v1_0)
        #expect(try session.take("SUBSCRIBE\ndestination: /queue/a\n\n") == "subscribe 1 - /queue/a auto 1000")
        #expect(try session.take("SUBSCRIBE\nid: x\ndestination: /queue/a\n\n") == "subscribe 2 x /queue/a auto 1000")
        #expect(session.deliver(1, messageID: "m", to: 1)?.subscription == nil)
        #expect(session.deliver(2, messageID: "m", to: 2)?.subscription == "x")
        #expect(try session.take("UNSUBSCRIBE\ndestination: /queue/a\n\n") == "unsubscribe 1 back []")
        #expect(try session.take("UNSUBSCRIBE\ndestination: /queue/a\n\n") == "fail unknown subscription")
    }

    @Test("Subscriptions of a connection are limited")
    func subscriptionLimit() throws {
        var session = try ServerSessionStateMachine.connected { $0.maximumSubscriptions = 2 }
        for id in 1...2 { _ = try session.take("SUBSCRIBE\nid:\(id)\ndestination:/queue/a\n\n") }
        #expect(try session.take("SUBSCRIBE\nid:3\ndestination:/queue/a\n\n") == "fail limit reached")
    }

    // MARK: The end

    @Test("The end gives back everything unacknowledged, in order")
    func end() throws {
        var session = try ServerSessionStateMachine.connected()
        let headers = try session.deliver(4, ack: "client-individual")
        _ = try session.take("ACK\nid:\(headers[1].ack ?? "")\n\n")
        _ = try session.take("BEGIN\ntransaction:t\n\n")
        _ = try session.take("ACK\nid:\(headers[0].ack ?? "")\ntransaction:t\n\n")
        #expect(session.end() == [1, 3, 4])
        #expect(session.end() == [])
        #expect(session.deliver(9, messageID: "m9", to: 1) == nil)
    }

    @Test("Unsubscribing gives back what that subscription had unacknowledged")
    func unsubscribe() throws {
        var session = try ServerSessionStateMachine.connected()
        _ = try session.deliver(3, ack: "client")
        #expect(try session.take("UNSUBSCRIBE\nid:a\n\n") == "unsubscribe 1 back [1, 2, 3]")
        #expect(session.deliver(4, messageID: "m4", to: 1) == nil)
        #expect(session.room(of: 1) == 0)
        #expect(session.end() == [])
    }
}
