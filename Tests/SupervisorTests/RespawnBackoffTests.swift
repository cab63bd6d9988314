// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Supervisor

@Suite struct RespawnBackoffTests {
    @Test("The first wait is spawndelay, then each is twice the one before, to a minute")
    func doubles() {
        var backoff = RespawnBackoff(base: .seconds(1))
        let waits = (0..<9).map { _ in backoff.delay(afterLifeOf: .zero) }
        #expect(waits == [1, 2, 4, 8, 16, 32, 60, 60, 60].map { .seconds($0) })
    }

    @Test("A minute of health makes the next death a first one again; less doesn't")
    func healthResets() {
        var backoff = RespawnBackoff(base: .seconds(1))
        for _ in 0..<5 { _ = backoff.delay(afterLifeOf: .zero) }
        #expect(backoff.delay(afterLifeOf: .seconds(59)) == .seconds(32))
        #expect(backoff.delay(afterLifeOf: .seconds(60)) == .seconds(1))
        #expect(backoff.delay(afterLifeOf: .zero) == .seconds(2))
    }

    @Test("A process that is there to die makes the next one wait longer only where it never was ready")
    func expendable() {
        var backoff = RespawnBackoff(base: .seconds(1))
        backoff.isExpendable = true
        for _ in 0..<5 { #expect(backoff.delay(afterLifeOf: .milliseconds(1)) == .seconds(1)) }
        #expect(backoff.delay(afterLifeOf: .zero) == .seconds(2))
        #expect(backoff.delay(afterLifeOf: .zero) == .seconds(4))
        backoff.forgive()
        #expect(backoff.delay(afterLifeOf: .zero) == .seconds(1))
    }

    @Test("No spawndelay is no busy loop: from the second death on there is a wait")
    func zeroBase() {
        var backoff = RespawnBackoff(base: .zero)
        #expect(backoff.delay(afterLifeOf: .zero) == .zero)
        #expect(backoff.delay(afterLifeOf: .zero) == .milliseconds(200))
        #expect(backoff.delay(afterLifeOf: .zero) == .milliseconds(400))
    }

    @Test("A spawndelay beyond the limit is cut to it, however many deaths there were")
    func limit() {
        var backoff = RespawnBackoff(base: .seconds(3600))
        for _ in 0..<100 { #expect(backoff.delay(afterLifeOf: .zero) == .seconds(60)) }
    }
}
