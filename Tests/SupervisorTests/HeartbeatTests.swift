// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Supervisor

@Suite struct HeartbeatTests {
    @Test("Each ping has a number of its own; a child that answers none of them is silent after the limit")
    func silence() {
        var heartbeat = Heartbeat()
        #expect((1...Heartbeat.limit).map { _ in heartbeat.beat() } == (1...Heartbeat.limit).map { $0 })
        #expect(heartbeat.beat() == nil)
        #expect(heartbeat.beat() == nil)
    }

    @Test("Any message starts the count anew")
    func heard() {
        var heartbeat = Heartbeat()
        for _ in 0..<50 {
            for _ in 0..<Heartbeat.limit { #expect(heartbeat.beat() != nil) }
            heartbeat.heard()
        }
    }

    @Test("Silence is half a minute")
    func limit() { #expect(Heartbeat.interval * Heartbeat.limit == .seconds(30)) }
}
