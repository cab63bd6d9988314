// SPDX-License-Identifier: Apache-2.0
import QueueCore
import Testing

@testable import Supervisor

@Suite struct SiteTroublesTests {
    private let omb = PluginName(unchecked: "omb")
    private let alice = SiteName(unchecked: "alice")
    private let bob = SiteName(unchecked: "bob")

    @Test("A site whose opening ended a worker is shut; workers that die of it together count once")
    func together() {
        var troubles = SiteTroubles()
        let waits = (0..<4).map { _ in troubles.died(opening: alice, of: omb, reason: "signal 11", at: .seconds(1)) }
        #expect(waits == [SiteTroubles.firstRetry] + [Duration](repeating: SiteTroubles.firstRetry, count: 3))
        #expect(troubles.shutSites(of: omb, withTrials: true) == [alice])
        #expect(troubles.reason(of: alice) == "signal 11")
        #expect(troubles.reason(of: bob) == nil)
    }

    @Test("Whoever goes on without those who tried a site tries it anew")
    func untried() {
        var troubles = SiteTroubles()
        troubles.died(opening: alice, of: omb, reason: "signal 11", at: .zero)
        let isTried = troubles.beginTrials(of: omb, at: SiteTroubles.firstRetry)
        var later = troubles.untried
        #expect(later.shutSites(of: omb, withTrials: false) == [alice])
        later.retrySoon(at: .zero)
        let isTriedAgain = later.beginTrials(of: omb, at: .zero)
        #expect(isTried && isTriedAgain)
    }

    @Test("Each trial that ends a worker makes the next one later, to an hour") func later() {
        var troubles = SiteTroubles()
        var now = Duration.zero
        var waits: [Duration] = []
        for _ in 0..<14 {
            let wait = troubles.died(opening: alice, of: omb, reason: "", at: now)
            waits.append(wait)
            let isEarly = troubles.beginTrials(of: omb, at: now + wait - .milliseconds(1))
            #expect(!isEarly)
            now += wait
            let hasSome = troubles.beginTrials(of: omb, at: now)
            #expect(hasSome)
        }
        #expect(waits.prefix(4) == [.seconds(5), .seconds(10), .seconds(20), .seconds(40)])
        #expect(waits.last == SiteTroubles.longestRetry)
    }

    @Test("On trial it is open to the hunter alone; once it is through, to all") func trial() {
        var troubles = SiteTroubles()
        let wait = troubles.died(opening: alice, of: omb, reason: "", at: .zero)
        troubles.died(opening: bob, of: omb, reason: "", at: .seconds(3))
        let isEarly = troubles.endTrials(of: omb)
        #expect(!isEarly)
        _ = troubles.beginTrials(of: omb, at: wait)
        #expect(troubles.shutSites(of: omb, withTrials: false) == [bob])
        #expect(troubles.shutSites(of: omb, withTrials: true) == [alice, bob])
        let hasEnded = troubles.endTrials(of: omb)
        #expect(hasEnded)
        #expect(troubles.shutSites(of: omb, withTrials: true) == [bob])
    }

    @Test("A change makes all due; what is configured no more is forgotten") func changed() {
        var troubles = SiteTroubles()
        troubles.died(opening: alice, of: omb, reason: "", at: .zero)
        troubles.died(opening: bob, of: omb, reason: "", at: .zero)
        troubles.keep { _, site in site == alice }
        troubles.retrySoon(at: .seconds(1))
        let hasSome = troubles.beginTrials(of: omb, at: .seconds(1))
        #expect(hasSome)
        #expect(troubles.shutSites(of: omb, withTrials: true) == [alice])
        #expect(troubles.plugins == [omb])
    }
}
