// SPDX-License-Identifier: Apache-2.0
import QueueCore
import Testing

@Suite struct ClaimWindowTests {
    /// Rounds in which a full window is claimed, and ends after items have waited for so long.
    private func run(_ window: inout ClaimWindow, rounds: Int, waitedMs: Int64, handledMs: Int64 = 1) {
        for _ in 0..<rounds {
            for _ in 0..<window.room { window.take() }
            for _ in 0..<window.claimed { window.end(waitedMs: waitedMs, handledMs: handledMs) }
        }
    }

    @Test("A worker whose targets are slow gets all its credit within two rounds")
    func grows() {
        var window = ClaimWindow(credit: 512)
        #expect(window.limit == ClaimWindow.initial)
        run(&window, rounds: 2, waitedMs: ClaimWindow.targetMs)
        #expect(window.limit == 512)
        run(&window, rounds: 2, waitedMs: 50, handledMs: 100)
        #expect(window.limit == 512)
    }

    @Test("While items wait in the worker it gets fewer, and never fewer than the floor")
    func shrinks() {
        var window = ClaimWindow(credit: 512)
        run(&window, rounds: 10, waitedMs: ClaimWindow.targetMs + 1)
        #expect(window.limit == ClaimWindow.floor)
        run(&window, rounds: 20, waitedMs: 0)
        #expect(window.limit == 512)
    }

    @Test("A small credit is never exceeded, nor cut", arguments: [0, 1, 2, 31])
    func small(_ credit: Int) {
        var window = ClaimWindow(credit: credit)
        run(&window, rounds: 5, waitedMs: 1000)
        #expect(window.room == credit)
        run(&window, rounds: 5, waitedMs: 0)
        #expect(window.room == credit)
    }

    @Test("A worker with little to do doesn't grow its window")
    func quiet() {
        var window = ClaimWindow(credit: 512)
        for _ in 0..<1000 {
            window.take()
            window.end(waitedMs: 0, handledMs: 1)
        }
        #expect(window.limit == ClaimWindow.initial)
        #expect(window.claimed == 0)
    }
}
