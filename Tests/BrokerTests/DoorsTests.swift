// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

@testable import Broker
@testable import Control

/// Listening sockets that outlive a broker: the supervisor's, as a broker inherits them.
@Suite struct DoorsTests {
    private func open(in directory: TemporaryDirectory) throws -> BrokerDoors {
        var configuration = BrokerConfiguration(stateDirectory: directory.path)
        configuration.listenHost = "127.0.0.1"
        return try BrokerDoors.open(configuration)
    }

    /// A broker closes what it is given.
    private func copy(_ doors: BrokerDoors) -> BrokerDoors {
        func copy(_ socket: ListeningSocket) -> ListeningSocket {
            ListeningSocket(descriptor: fcntl(socket.descriptor, F_DUPFD_CLOEXEC, 0))
        }
        return BrokerDoors(
            workers: copy(doors.workers),
            local: copy(doors.local),
            network: doors.network.map(copy)
        )
    }

    @Test("Who connects while there is no broker is served by the next one, over TCP and the Unix socket")
    func betweenBrokers() async throws {
        let directory = try TemporaryDirectory()
        let doors = try open(in: directory)
        defer { doors.close() }
        let port = try #require(doors.network?.port)
        for round in 1...2 {
            let clients = [
                try await StompTestClient.connect(port: port),
                try await StompTestClient.connect(unix: directory.file("stomp.sock")),
            ]
            let lines = "CONNECT\naccept-version:1.2\nhost:localhost\n\n\0"
            for client in clients { try await client.send(lines) }
            let broker = try await BrokerHarness(directory: directory, doors: copy(doors))
            #expect(try await broker.port() == port)
            for client in clients {
                #expect(try await client.frame().command == "CONNECTED")
                try await client.send(
                    "SEND",
                    ["destination": "/queue/mine", "receipt": "r\(round)"],
                    body: "round \(round)"
                )
                try await client.receipt("r\(round)")
            }
            try await broker.stop()
        }
    }

    @Test("Before a broker ends, a producer has the receipts of what was taken in, then the end of the stream")
    func receiptsFirst() async throws {
        let directory = try TemporaryDirectory()
        let broker = try await BrokerHarness(directory: directory)
        let client = try await broker.stomp()
        let sends = (1...50).map { "SEND\ndestination:/queue/mine\nreceipt:\($0)\n\nitem \($0)\0" }
        try await client.send(sends.joined())
        try await client.receipt("1")
        try await broker.endSessions()
        try await client.closed()
        let receipts = client.frames.all.filter { $0.command == "RECEIPT" }.compactMap { $0["receipt-id"] }
        #expect(receipts == (1...receipts.count).map(String.init))
        try await broker.stop()

        let next = try await BrokerHarness(directory: directory)
        let reader = try await next.stomp()
        try await reader.send("SUBSCRIBE", ["destination": "/queue/mine", "id": "0", "ack": "auto"])
        for number in 1...receipts.count {
            let message = try await reader.frames.first(within: .seconds(20), "item \(number)") {
                $0.command == "MESSAGE" && $0.text == "item \(number)"
            }
            #expect(message["destination"] == "/queue/mine")
        }
        try await next.stop()
    }
}
