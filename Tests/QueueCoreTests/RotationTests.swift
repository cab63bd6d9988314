// SPDX-License-Identifier: Apache-2.0
import QueueCore
import Testing
import TestSupport

@Suite struct RotationTests {
    private func turns(_ rotation: inout Rotation<String>, _ count: Int) -> [String] {
        (0..<count).compactMap { _ in rotation.next() }
    }

    @Test("An empty one has no next")
    func empty() {
        var rotation = Rotation<String>()
        let next = rotation.next()
        #expect(next == nil && rotation.isEmpty && rotation.count == 0)
        rotation.removeLast()
        #expect(rotation.isEmpty)
    }

    @Test("Each member comes up once before any comes up twice, in the order in which they came in")
    func fair() {
        var rotation = Rotation<String>()
        for site in ["a", "b", "c"] { rotation.add(site) }
        let seen = turns(&rotation, 7)
        #expect(seen == ["a", "b", "c", "a", "b", "c", "a"])
    }

    @Test("A member that is added again keeps its turn, and gets no second one")
    func addedAgain() {
        var rotation = Rotation<String>()
        for site in ["a", "b", "c", "a", "b"] { rotation.add(site) }
        #expect(rotation.count == 3)
        let seen = turns(&rotation, 4)
        #expect(seen == ["a", "b", "c", "a"])
    }

    @Test("A new member comes up after those that wait")
    func newMember() {
        var rotation = Rotation<String>()
        for site in ["a", "b", "c"] { rotation.add(site) }
        let first = turns(&rotation, 1)
        rotation.add("d")
        let rest = turns(&rotation, 5)
        #expect(first == ["a"] && rest == ["b", "c", "a", "d", "b"])
    }

    @Test("removeLast takes out whose turn it was; added again, it waits at the end")
    func removeLast() {
        var rotation = Rotation<String>()
        for site in ["a", "b", "c"] { rotation.add(site) }
        _ = rotation.next()
        rotation.removeLast()
        #expect(!rotation.contains("a") && rotation.contains("b") && rotation.count == 2)
        let seen = turns(&rotation, 3)
        #expect(seen == ["b", "c", "b"])
        rotation.add("a")
        let later = turns(&rotation, 3)
        #expect(later == ["c", "b", "a"])
    }

    @Test("Whatever comes and goes, nobody waits longer than for one turn of each other member")
    func randomWalk() {
        var random = SeededRandom()
        var rotation = Rotation<Int>()
        // Turns of others since a member's own last one, or since it came in.
        var waited: [Int: Set<Int>] = [:]
        var (unfair, miscounted) = (0, 0)
        for _ in 0..<20_000 {
            if Int.random(in: 0..<3, using: &random) == 0 {
                let member = Int.random(in: 0..<30, using: &random)
                rotation.add(member)
                if waited[member] == nil { waited[member] = [] }
            } else if let member = rotation.next() {
                for other in waited.keys where other != member {
                    let isFirst = waited[other]?.insert(member).inserted
                    if isFirst != true { unfair += 1 }
                }
                waited[member] = []
                if Bool.random(using: &random) {
                    rotation.removeLast()
                    waited[member] = nil
                    // It may come back at the end, and then it is new.
                    for other in waited.keys { waited[other]?.remove(member) }
                }
            }
            if rotation.count != waited.count { miscounted += 1 }
        }
        #expect(unfair == 0, "a member came up twice while another waited")
        #expect(miscounted == 0)
    }
}
