// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Stomp
import Testing

@Suite struct ServerSessionTransactionTests {
    @Test("What was collected comes out as one at COMMIT, with its receipt")
    func commit() throws {
        var session = try ServerSessionStateMachine.connected()
        _ = try session.deliver(3, ack: "client-individual")
        #expect(try session.take("BEGIN\ntransaction:t\nreceipt:b\n\n") == "noted receipt b")
        #expect(try session.take("SEND\ndestination:/queue/x\ntransaction:t\nreceipt:s\n\n1") == "noted receipt s")
        #expect(try session.take("ACK\nid:1-2\ntransaction:t\n\n") == "noted")
        #expect(try session.take("NACK\nid:1-1\ntransaction:t\n\n") == "noted")
        #expect(try session.take("SEND\ndestination:/queue/y\ntransaction:t\n\n2") == "noted")
        #expect(try session.take("SEND\ndestination:/queue/z\n\noutside") == "send /queue/z")
        #expect(
            try session.take("COMMIT\ntransaction:t\nreceipt:c\n\n")
                == #"commit ["/queue/x", "/queue/y"] acks [2] nacks [1] receipt c"#
        )
        #expect(session.end() == [3])
    }

    @Test("Frames in a transaction keep their headers and bodies, whatever becomes of the read buffer")
    func frames() throws {
        var session = try ServerSessionStateMachine.connected()
        _ = try session.take("BEGIN\ntransaction:t\n\n")
        for body in ["one", "two"] { _ = try session.take("SEND\ndestination:/q\nn:\(body)\ntransaction:t\n\n\(body)") }
        guard case .commit(let sends, _, _) = session.receive(try .reading("COMMIT\ntransaction:t\n\n")) else {
            Issue.record("no commit")
            return
        }
        #expect(sends.map { String(buffer: $0.body) } == ["one", "two"])
        #expect(sends.map { $0["n"] } == ["one", "two"])
    }

    @Test("What is acknowledged in a transaction can't be acknowledged twice")
    func twice() throws {
        var session = try ServerSessionStateMachine.connected()
        _ = try session.deliver(1, ack: "client")
        _ = try session.take("BEGIN\ntransaction:t\n\n")
        _ = try session.take("ACK\nid:1-1\ntransaction:t\n\n")
        #expect(session.room(of: 1) == 1000)
        #expect(try session.take("ACK\nid:1-1\n\n") == "fail unknown message")
    }

    @Test("ABORT drops the SENDs and makes the deliveries unacknowledged again, in their old order")
    func abort() throws {
        var session = try ServerSessionStateMachine.connected()
        _ = try session.deliver(4, ack: "client-individual")
        _ = try session.take("BEGIN\ntransaction:t\n\n")
        for id in ["1-3", "1-1"] { _ = try session.take("ACK\nid:\(id)\ntransaction:t\n\n") }
        _ = try session.take("NACK\nid:1-2\ntransaction:t\n\n")
        _ = try session.take("SEND\ndestination:/q\ntransaction:t\n\n")
        #expect(try session.take("ABORT\ntransaction:t\nreceipt:r\n\n") == "abort back [] receipt r")
        #expect(try session.take("COMMIT\ntransaction:t\n\n") == "fail unknown transaction")
        #expect(session.end() == [1, 2, 3, 4])
    }

    @Test("After ABORT the same delivery can be acknowledged")
    func ackAfterAbort() throws {
        var session = try ServerSessionStateMachine.connected()
        _ = try session.deliver(2, ack: "client")
        _ = try session.take("BEGIN\ntransaction:t\n\n")
        _ = try session.take("ACK\nid:1-2\ntransaction:t\n\n")
        _ = try session.take("ABORT\ntransaction:t\n\n")
        #expect(try session.take("ACK\nid:1-1\n\n") == "settle acks [1] nacks []")
        #expect(try session.take("ACK\nid:1-2\n\n") == "settle acks [2] nacks []")
    }

    @Test("ABORT gives back the deliveries of a subscription that is gone; COMMIT still settles them")
    func goneSubscription() throws {
        for (end, outcome) in [("ABORT", "abort back [1]"), ("COMMIT", "commit [] acks [1] nacks []")] {
            var session = try ServerSessionStateMachine.connected()
            _ = try session.deliver(2, ack: "client-individual")
            _ = try session.take("BEGIN\ntransaction:t\n\n")
            _ = try session.take("ACK\nid:1-1\ntransaction:t\n\n")
            #expect(try session.take("UNSUBSCRIBE\nid:a\n\n") == "unsubscribe 1 back [2]")
            #expect(try session.take("\(end)\ntransaction:t\n\n") == outcome)
            #expect(session.end() == [])
        }
    }

    @Test("The end gives back what a gone subscription's open transaction had acknowledged")
    func endWithGoneSubscription() throws {
        var session = try ServerSessionStateMachine.connected()
        _ = try session.deliver(1, ack: "client")
        _ = try session.take("BEGIN\ntransaction:t\n\n")
        _ = try session.take("ACK\nid:1-1\ntransaction:t\n\n")
        _ = try session.take("UNSUBSCRIBE\nid:a\n\n")
        #expect(session.end() == [1])
    }

    @Test("A transaction's id is used once at a time, and may be used again")
    func ids() throws {
        var session = try ServerSessionStateMachine.connected()
        for _ in 0..<2 {
            #expect(try session.take("BEGIN\ntransaction:t\n\n") == "noted")
            #expect(try session.take("COMMIT\ntransaction:t\n\n") == "commit [] acks [] nacks []")
        }
        _ = try session.take("BEGIN\ntransaction:t\n\n")
        #expect(try session.take("BEGIN\ntransaction:t\n\n") == "fail transaction already begun")
    }

    @Test("Two transactions are apart")
    func two() throws {
        var session = try ServerSessionStateMachine.connected()
        for id in ["t", "u"] { _ = try session.take("BEGIN\ntransaction:\(id)\n\n") }
        _ = try session.take("SEND\ndestination:/t\ntransaction:t\n\n")
        _ = try session.take("SEND\ndestination:/u\ntransaction:u\n\n")
        #expect(try session.take("COMMIT\ntransaction:u\n\n") == #"commit ["/u"] acks [] nacks []"#)
        #expect(try session.take("ABORT\ntransaction:t\n\n") == "abort back []")
    }

    @Test("Open transactions, their frames and their octets are limited, and what ended counts no more")
    func limits() throws {
        var session = try ServerSessionStateMachine.connected { $0.maximumTransactions = 2 }
        for id in ["t", "u"] { _ = try session.take("BEGIN\ntransaction:\(id)\n\n") }
        #expect(try session.take("BEGIN\ntransaction:v\n\n") == "fail limit reached")

        session = try ServerSessionStateMachine.connected { $0.maximumTransactionFrames = 3 }
        for _ in 0..<5 {
            _ = try session.take("BEGIN\ntransaction:t\n\n")
            for _ in 0..<3 { #expect(try session.take("SEND\ndestination:/q\ntransaction:t\n\n") == "noted") }
            _ = try session.take("COMMIT\ntransaction:t\n\n")
        }
        _ = try session.take("BEGIN\ntransaction:t\n\n")
        for _ in 0..<3 { _ = try session.take("SEND\ndestination:/q\ntransaction:t\n\n") }
        #expect(try session.take("SEND\ndestination:/q\ntransaction:t\n\n") == "fail limit reached")

        session = try ServerSessionStateMachine.connected { $0.maximumTransactionBytes = 200 }
        for _ in 0..<5 {
            _ = try session.take("BEGIN\ntransaction:t\n\n")
            #expect(
                try session.take("SEND\ndestination:/q\ntransaction:t\n\n\(String(repeating: "x", count: 100))")
                    == "noted"
            )
            _ = try session.take("ABORT\ntransaction:t\n\n")
        }
        _ = try session.take("BEGIN\ntransaction:t\n\n")
        #expect(
            try session.take("SEND\ndestination:/q\ntransaction:t\n\n\(String(repeating: "x", count: 200))")
                == "fail limit reached"
        )
    }
}
