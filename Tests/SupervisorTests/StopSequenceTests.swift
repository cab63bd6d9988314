// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Supervisor

@Suite struct StopSequenceTests {
    @Test("Workers, then the console, then the broker, each when the one before has gone")
    func order() {
        var stop = StopSequence()
        #expect(stop.next(remaining: [.broker, .worker, .console]) == .drain(.worker))
        #expect(stop.next(remaining: [.broker, .worker, .console]) == .wait)
        #expect(stop.next(remaining: [.broker, .console]) == .drain(.console))
        #expect(stop.next(remaining: [.broker]) == .drain(.broker))
        #expect(stop.next(remaining: [.broker]) == .wait)
        #expect(stop.next(remaining: []) == .finished)
    }

    @Test("A role of which nothing runs is passed over")
    func gaps() {
        var stop = StopSequence()
        #expect(stop.next(remaining: [.broker]) == .drain(.broker))
        var nothing = StopSequence()
        #expect(nothing.next(remaining: []) == .finished)
    }
}
