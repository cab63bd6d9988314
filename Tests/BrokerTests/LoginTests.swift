// SPDX-License-Identifier: Apache-2.0
import Control
import TestSupport
import Testing

@testable import Broker

@Suite struct LoginTests {
    @Test(
        "Without the right login and passcode nobody gets in, and nobody is told which was wrong",
        arguments: [("hostd", "wrong"), ("wrong", "secret"), ("hostd", nil), (nil, nil), ("hostd", "secret ")]
            as [(String?, String?)]
    )
    func refused(_ login: String?, _ passcode: String?) async throws {
        let broker = try await BrokerHarness {
            $0.username = "hostd"
            $0.password = "secret"
        }
        let client = try await StompTestClient.connect(port: try await broker.port())
        let answer = try await client.connect(login: login, passcode: passcode)
        #expect(answer.command == "ERROR")
        #expect(answer["message"] == "access refused")
        #expect(!answer.text.contains("secret"))
        try await client.closed()
        try await broker.stop()
    }

    @Test("With them it is a broker like any other") func admitted() async throws {
        let broker = try await BrokerHarness {
            $0.username = "hostd"
            $0.password = "secret"
        }
        let client = try await StompTestClient.connect(port: try await broker.port())
        #expect(try await client.connect(login: "hostd", passcode: "secret").command == "CONNECTED")
        try await client.send("SEND", ["destination": "/queue/a", "receipt": "r"], body: "x")
        try await client.receipt("r")
        try await broker.stop()
    }
}
