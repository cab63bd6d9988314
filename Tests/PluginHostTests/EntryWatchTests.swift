// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import PluginHost

@Suite struct EntryWatchTests {
    private let second: Int64 = 1_000_000_000

    @Test("Outside of the plugin nothing is stuck")
    func outside() {
        let watch = EntryWatch()
        watch.noteDeadline(1)
        #expect(watch.stuck(nowNs: .max, patienceNs: 1) == nil)
        watch.enter(.handle, token: 7)
        _ = watch.leave()
        #expect(watch.stuck(nowNs: .max, patienceNs: 1) == nil)
    }

    @Test("Inside, the first deadline counts, and what is called is named")
    func deadline() throws {
        let watch = EntryWatch()
        watch.enter(.handle, token: 7)
        let entered = HostClock.monotonicNs()
        watch.noteDeadline(entered + 5 * second)
        watch.noteDeadline(entered + 9 * second)
        #expect(watch.stuck(nowNs: entered + 4 * second, patienceNs: 60 * second) == nil)
        let seen = try #require(watch.stuck(nowNs: entered + 6 * second, patienceNs: 60 * second))
        #expect(seen.place == .handle)
        #expect(seen.token == 7)
        watch.forgetDeadlines()
        #expect(watch.stuck(nowNs: entered + 6 * second, patienceNs: 60 * second) == nil)
    }

    @Test("Without a deadline patience counts")
    func patience() {
        let watch = EntryWatch()
        watch.enter(.siteOpen, token: 0)
        let entered = HostClock.monotonicNs()
        #expect(watch.stuck(nowNs: entered + 59 * second, patienceNs: 60 * second) == nil)
        #expect(watch.stuck(nowNs: entered + 61 * second, patienceNs: 60 * second)?.place == .siteOpen)
    }

    @Test("A call that has just begun is never stuck, whatever deadline has passed")
    func fresh() {
        let watch = EntryWatch()
        watch.noteDeadline(1)
        watch.enter(.callback, token: 0)
        #expect(watch.stuck(nowNs: HostClock.monotonicNs(), patienceNs: second) == nil)
    }
}
