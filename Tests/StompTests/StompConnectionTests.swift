// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Stomp
import TestSupport
import Testing

@Suite struct StompConnectionTests {
    private func message(_ number: Int, receipt: Bool = true) -> StompMessage {
        StompMessage(
            destination: "/queue/a",
            headers: [("n", "\(number)"), ("x:y", "a:b")],
            body: ByteBuffer(string: "body \(number)"),
            wantsReceipt: receipt
        )
    }

    @Test("Messages arrive in order and are confirmed, one call each or in batches, with a small window")
    func pipelined() async throws {
        let broker = try await FakeBroker.start()
        let connection = try await StompConnection.connect(broker.address, window: 10)
        for number in 0..<100 { try await connection.send([message(number)]) }
        try await connection.send((100..<3000).map { message($0) })
        #expect(try await connection.confirm() == 3000)
        try await connection.disconnect()
        let sends = broker.sends.all
        #expect(sends.map { String(decoding: $0.body, as: UTF8.self) } == (0..<3000).map { "body \($0)" })
        #expect(sends.first?.headers == ["destination=/queue/a", "n=0", "x:y=a:b", "receipt=1", "content-length=6"])
    }

    @Test("The same over a Unix socket, with a login")
    func unixSocket() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("broker.sock")
        let broker = try await FakeBroker.start(
            unix: path,
            credentials: StompCredentials(login: "u:v", passcode: "p\\q")
        )
        let connection = try await StompConnection.connect(.unix(path), login: "u:v", passcode: "p\\q")
        try await connection.send(destination: "/queue/a", body: ByteBuffer(string: "x"))
        #expect(try await connection.confirm() == 1)
        try await connection.disconnect()
        #expect(broker.sends.all.count == 1)
    }

    @Test("send waits while the window is full, and goes on as receipts come")
    func window() async throws {
        let broker = try await FakeBroker.start(.confirmsFrom(5))
        let connection = try await StompConnection.connect(broker.address, window: 5)
        try await connection.send((1...5).map { message($0) })
        #expect(try await connection.confirm() == 5)
        // With one less in the window than the broker waits for, nothing would ever be confirmed: the window is exact.
        try await connection.send((6...20).map { message($0) })
        #expect(try await connection.confirm() == 20)
    }

    @Test("A batch larger than the window isn't over before its receipts come")
    func windowIsABound() async throws {
        let broker = try await FakeBroker.start(.confirmsFrom(6))
        let connection = try await StompConnection.connect(broker.address, window: 5)
        let batch = Task { try await connection.send((1...6).map { message($0) }) }
        _ = try await broker.sends.first(5)
        // The sixth waits for a receipt, and the broker for the sixth.
        #expect(broker.sends.all.count == 5)
        await #expect(throws: StompError.connectionClosed) {
            // Ending the connection ends the wait.
            await connection.close()
            try await batch.value
        }
    }

    @Test("Messages without a receipt are sent as well")
    func withoutReceipt() async throws {
        let broker = try await FakeBroker.start()
        let connection = try await StompConnection.connect(broker.address, window: 1)
        try await connection.send((0..<50).map { message($0, receipt: $0 == 49) })
        #expect(try await connection.confirm() == 1)
        #expect(broker.sends.all.count == 50)
    }

    @Test("Confirming or sending nothing returns at once")
    func nothing() async throws {
        let broker = try await FakeBroker.start()
        let connection = try await StompConnection.connect(broker.address)
        try await connection.send([])
        #expect(try await connection.confirm() == 0)
        try await connection.disconnect()
        await #expect(throws: StompError.connectionClosed) { try await connection.send([message(1)]) }
        await #expect(throws: StompError.connectionClosed) { try await connection.disconnect() }
    }

    @Test("An ERROR is thrown with its sentence, by whatever waits and by what comes later")
    func refused() async throws {
        let broker = try await FakeBroker.start(.refuses(3))
        let connection = try await StompConnection.connect(broker.address)
        let error = StompError.refusedByServer(message: "disk full", detail: "The store's disk is full.")
        try await connection.send((0..<5).map { message($0) })
        await #expect(throws: error) { try await connection.confirm() }
        await #expect(throws: error) { try await connection.send([message(6)]) }
        await #expect(throws: error) { try await connection.disconnect() }
    }

    @Test("A wrong login is thrown by connect")
    func wrongLogin() async throws {
        let broker = try await FakeBroker.start(credentials: StompCredentials(login: "u", passcode: "p"))
        let refusal = StompError.refusedByServer(message: "access refused", detail: StompError.accessRefused.detail)
        await #expect(throws: refusal) {
            try await StompConnection.connect(broker.address, login: "u", passcode: "wrong")
        }
    }

    @Test("A connection that ends without an ERROR is thrown")
    func closed() async throws {
        let broker = try await FakeBroker.start(.closes(2))
        let connection = try await StompConnection.connect(broker.address)
        try await connection.send((0..<2).map { message($0) })
        await #expect(throws: StompError.connectionClosed) { try await connection.confirm() }
        await #expect(throws: StompError.connectionClosed) { try await connection.send([message(3)]) }
    }

    @Test("A server that doesn't speak STOMP, or says nothing, is told from a broker")
    func strangers() async throws {
        let nonsense = try await FakeBroker.start(.talksNonsense)
        await #expect(throws: StompError.unknownCommand("HTTP/1.1 400 Bad Request")) {
            try await StompConnection.connect(nonsense.address)
        }
        let silent = try await FakeBroker.start(.neverAnswers)
        await #expect(throws: StompError.noAnswer(seconds: 0)) {
            try await StompConnection.connect(silent.address, within: .milliseconds(50))
        }
    }

    @Test("Nobody at the address: the error names it")
    func unreachable() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("absent.sock")
        let error = await #expect(throws: StompError.self) { try await StompConnection.connect(.unix(path)) }
        guard case .unreachable(let address, _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(address == path)
    }

    @Test("The raw test client sees the same frames on the wire")
    func rawClient() async throws {
        let broker = try await FakeBroker.start()
        let client = try await StompTestClient.connect(port: broker.port)
        let connected = try await client.connect(version: "1.1,1.2")
        #expect(connected.command == "CONNECTED")
        #expect(connected["version"] == "1.2")
        try await client.send("SEND", ["destination": "/queue/a", "receipt": "r1"], body: "x")
        try await client.receipt("r1")
        try await client.send("SEND\ndestination:/queue/a\nbad\\escape:1\nreceipt:r2\n\n\0")
        #expect(try await client.frame().command == "RECEIPT")
        let error = try await client.frame()
        #expect(error.command == "ERROR")
        #expect(error["message"] == "undefined escape")
        try await client.closed()
    }
}
