// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite struct InterruptionsTests {
    private let kills = Interruptions([
        Interruptions.Kill(victim: "broker", began: 10_000, ended: 10_100, unsettled: ["/omb/1 n"]),
        Interruptions.Kill(victim: "broker", began: 50_000, ended: 50_100, unsettled: ["/omb/1 n", "/omb/2 n"]),
    ])

    @Test("What was sent before a kill and had not ended may come again after it, once for each kill")
    func excused() {
        #expect(kills.unexcused(["/omb/1 n": [9000, 12_000]]).isEmpty)
        #expect(kills.unexcused(["/omb/1 n": [9000, 12_000, 51_000]]).isEmpty)
        // On its way when the kill came.
        #expect(kills.unexcused(["/omb/2 n": [50_600, 53_000]]).isEmpty)
        #expect(kills.unexcused(["/omb/2 n": [50_600], "/omb/3 n": [1]]).isEmpty)
    }

    @Test("What had ended, came again before a kill, or was sent first long after it, is no kill's doing")
    func unexcused() {
        #expect(kills.unexcused(["/omb/3 n": [9000, 12_000]]).count == 1)
        #expect(kills.unexcused(["/omb/1 n": [9000, 9500]]).count == 1)
        #expect(kills.unexcused(["/omb/2 n": [9000, 12_000]]).count == 1)
        #expect(kills.unexcused(["/omb/1 n": [51_500, 53_000]]).count == 1)
        #expect(kills.unexcused(["/omb/1 n": [9000, 12_000, 13_000]]).count == 1)
    }
}
