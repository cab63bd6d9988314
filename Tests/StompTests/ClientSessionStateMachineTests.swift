// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Stomp

@Suite struct ClientSessionStateMachineTests {
    private func connected(window: Int = 2) throws -> ClientSessionStateMachine {
        var session = ClientSessionStateMachine(window: window)
        #expect(session.receive(try .reading("CONNECTED\nversion:1.2\n\n")) == .connected)
        return session
    }

    @Test("The window is what may be outstanding")
    func window() throws {
        var session = try connected(window: 2)
        #expect([session.nextReceipt(), session.nextReceipt()] == ["1", "2"])
        #expect(!session.hasRoom)
        #expect(session.receive(try .reading("RECEIPT\nreceipt-id:2\n\n")) == .confirmed)
        #expect(session.hasRoom)
        #expect(!session.isConfirmed)
        #expect(session.receive(try .reading("RECEIPT\nreceipt-id:1\n\n")) == .confirmed)
        #expect(session.isConfirmed)
        #expect(session.confirmed == 2)
    }

    @Test("A receipt that nobody waits for is ignored, and doesn't count")
    func strangeReceipt() throws {
        var session = try connected()
        _ = session.nextReceipt()
        for id in ["7", "bye", "1", "1"] { _ = session.receive(try .reading("RECEIPT\nreceipt-id:\(id)\n\n")) }
        #expect(session.confirmed == 1)
        #expect(session.isOpen)
    }

    @Test("DISCONNECT is over with its receipt, and then nothing matters")
    func disconnect() throws {
        var session = try connected()
        let receipt = session.disconnect()
        #expect(!session.isOpen)
        #expect(session.receive(try .reading("RECEIPT\nreceipt-id:\(receipt)\n\n")) == .disconnected)
        #expect(session.receive(try .reading("ERROR\n\n")) == .ignore)
        #expect(session.closed() == .ignore)
    }

    @Test("The end of the connection fails what isn't over", arguments: ["connecting", "connected", "disconnecting"])
    func closed(_ state: String) throws {
        var session = state == "connecting" ? ClientSessionStateMachine(window: 1) : try connected()
        if state == "disconnecting" { _ = session.disconnect() }
        #expect(session.closed() == .failed(.connectionClosed))
        #expect(session.closed() == .ignore)
        #expect(session.state == .failed(.connectionClosed))
    }

    @Test("An ERROR fails with its message and body", arguments: ["connecting", "connected", "disconnecting"])
    func error(_ state: String) throws {
        var session = state == "connecting" ? ClientSessionStateMachine(window: 1) : try connected()
        if state == "disconnecting" { _ = session.disconnect() }
        let failure = StompError.refusedByServer(message: "disk full", detail: "No room. Free some.")
        #expect(session.receive(try .reading("ERROR\nmessage:disk full\n\nNo room.\nFree some.\n")) == .failed(failure))
        #expect(session.receive(try .reading("RECEIPT\nreceipt-id:1\n\n")) == .ignore)
    }

    @Test(
        "Frames that have no place fail the connection",
        arguments: [
            ("connecting", "RECEIPT\nreceipt-id:1\n\n"), ("connecting", "MESSAGE\n\n"), ("connected", "CONNECTED\n\n"),
            ("connected", "MESSAGE\n\n"), ("connected", "RECEIPT\n\n"), ("connected", "SEND\n\n"),
            ("disconnecting", "CONNECTED\n\n"), ("disconnecting", "MESSAGE\n\n"),
        ]
    )
    func unexpected(_ state: String, _ text: String) throws {
        var session = state == "connecting" ? ClientSessionStateMachine(window: 1) : try connected()
        if state == "disconnecting" { _ = session.disconnect() }
        let frame = try StompFrame.reading(text)
        #expect(session.receive(frame) == .failed(.unexpectedFrame(frame.command)))
    }
}
