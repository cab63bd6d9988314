// SPDX-License-Identifier: Apache-2.0
import QueueCore
import Testing

@Suite struct CountRingTests {
    /// Far from 0, as the broker's clocks are.
    private let start: Int64 = 1_795_600_800_000

    @Test("A steady stream is told as it is, from its first seconds on")
    func steady() {
        var ring = CountRing()
        for millisecond in stride(from: Int64(0), to: 30_000, by: 10) { ring.add(1, nowMs: start + millisecond) }
        let rate = ring.perSecond(nowMs: start + 30_000)
        #expect((95...101).contains(rate))
        var young = CountRing()
        for millisecond in stride(from: Int64(0), to: 3000, by: 10) { young.add(1, nowMs: start + millisecond) }
        let early = young.perSecond(nowMs: start + 3000)
        #expect((99...101).contains(early))
    }

    @Test("Ten seconds after the last one it is 0, and the ring can be used again")
    func silence() {
        var ring = CountRing()
        ring.add(1000, nowMs: start)
        let soon = ring.perSecond(nowMs: start + 5000)
        #expect(soon == 200)
        let late = ring.perSecond(nowMs: start + 10_000)
        #expect(late == 0)
        ring.add(10, nowMs: start + 3_600_000)
        let total = ring.total(nowMs: start + 3_600_000)
        #expect(total == 10)
    }

    @Test("The first item makes no giant of itself")
    func first() {
        var ring = CountRing()
        ring.add(1, nowMs: start)
        let rate = ring.perSecond(nowMs: start)
        #expect(rate == 1)
    }

    @Test("A clock that goes back loses nothing and breaks nothing")
    func backwards() {
        var ring = CountRing()
        ring.add(5, nowMs: start)
        ring.add(5, nowMs: start - 60_000)
        let total = ring.total(nowMs: start)
        #expect(total == 10)
    }

    @Test("Spans may be longer: an hour in six minutes each")
    func hour() {
        var ring = CountRing(spanMs: 360_000)
        ring.add(7, nowMs: start)
        let within = ring.total(nowMs: start + 50 * 60_000)
        #expect(within == 7)
        let after = ring.total(nowMs: start + 61 * 60_000)
        #expect(after == 0)
        var unused = CountRing()
        let nothing = unused.total(nowMs: start)
        #expect(nothing == 0)
    }
}
