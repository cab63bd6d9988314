// SPDX-License-Identifier: Apache-2.0
import QueueCore
import Testing

@testable import Supervisor

@Suite struct HuntsTests {
    private let omb = PluginName(unchecked: "omb")
    private let xmpp = PluginName(unchecked: "xmpp")

    @Test("A hunter is kept while there are suspects, and a while longer") func lingers() {
        var hunts = Hunts()
        hunts.set([omb, xmpp], at: .seconds(1))
        hunts.expire(at: .seconds(100))
        #expect(hunts.plugins == [omb, xmpp])
        hunts.set([xmpp], at: .seconds(100))
        hunts.expire(at: .seconds(100) + Hunts.linger - .milliseconds(1))
        #expect(hunts.plugins == [omb, xmpp])
        hunts.expire(at: .seconds(100) + Hunts.linger)
        #expect(hunts.plugins == [xmpp])
    }

    @Test("New suspects within that while keep it") func again() {
        var hunts = Hunts()
        hunts.set([omb], at: .zero)
        hunts.set([], at: .seconds(1))
        hunts.set([omb], at: .seconds(2))
        hunts.expire(at: .seconds(60))
        #expect(hunts.plugins == [omb])
    }

    @Test("A hunter for something else is kept until its time, or until it is let go") func kept() {
        var hunts = Hunts()
        hunts.keep(omb, until: .seconds(60))
        hunts.keep(omb, until: .seconds(30))
        hunts.expire(at: .seconds(59))
        #expect(hunts.plugins == [omb])
        hunts.letGo(omb, at: .seconds(59))
        hunts.expire(at: .seconds(59) + Hunts.linger)
        #expect(hunts.plugins.isEmpty)
    }
}
