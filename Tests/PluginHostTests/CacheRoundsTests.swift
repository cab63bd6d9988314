// SPDX-License-Identifier: Apache-2.0
import PluginABI
import TestSupport
import Testing

@testable import PluginHost

@Suite struct CacheRoundsTests {
    private let up = CacheRequest.increment(by: 2, initial: 9, ttl: 0)

    private func rounds(_ requests: [(CacheRequest, String)]) -> [CacheRounds.Round] {
        var rounds = CacheRounds()
        for (request, key) in requests { rounds.add(request, key: key) }
        return rounds.rounds
    }

    @Test("Equal increments of one counter go as one, and each gets its own number")
    func together() {
        let made = rounds([(up, "a"), (up, "b"), (up, "a"), (up, "a")])
        #expect(made.map(\.members) == [[0, 2, 3], [1]])
        #expect(made[0].combined == .increment(by: 6, initial: 13, ttl: 0))
        #expect(made[1].combined == up)
        let answer = CacheAnswer(status: HOSTD_OK, number: 13)
        #expect((0..<3).map { made[0].answer(answer, at: $0).number } == [9, 11, 13])
        let failure = CacheAnswer(status: HOSTD_E_TIMEOUT)
        #expect((0..<3).allSatisfy { made[0].answer(failure, at: $0) == failure })
    }

    @Test("What else is asked of the key stays between them")
    func apart() {
        let made = rounds([(up, "a"), (.get, "a"), (up, "a"), (up, "a"), (.remove, "a"), (up, "a")])
        #expect(made.map(\.members) == [[0], [1], [2, 3], [4], [5]])
    }

    @Test("Other amounts, times to live, lowered counters and large steps go alone")
    func alone() {
        let other = CacheRequest.increment(by: 2, initial: 9, ttl: 60)
        let down = CacheRequest.increment(by: -1, initial: 0, ttl: 0)
        let large = CacheRequest.increment(by: .max, initial: 0, ttl: 0)
        for request in [other, down, large] {
            #expect(rounds([(up, "a"), (request, "a"), (request, "a"), (up, "a")]).first?.members == [0])
        }
        #expect(rounds([(down, "a"), (down, "a")]).count == 2)
        #expect(rounds([(large, "a"), (large, "a")]).count == 2)
        #expect(rounds([(other, "a"), (other, "a")]).count == 1)
    }

    @Test("Whatever is asked, answers and values are those of one request after the other")
    func sameAsOneByOne() {
        var random = SeededRandom()
        var (together, oneByOne) = (CacheTable(), CacheTable())
        for _ in 0..<300 {
            let requests = (0..<Int.random(in: 1...30, using: &random)).map { _ -> (CacheRequest, String) in
                let key = "k\(Int.random(in: 0..<3, using: &random))"
                switch Int.random(in: 0..<12, using: &random) {
                case 0: return (.get, key)
                case 1: return (.remove, key)
                case 2: return (.set(Array("\(UInt64.max - 3)".utf8), ttl: 0, onlyIfAbsent: false), key)
                case 3: return (.set(Array("word".utf8), ttl: 0, onlyIfAbsent: false), key)
                case 4: return (.increment(by: -3, initial: 4, ttl: 0), key)
                default: return (.increment(by: Int64.random(in: 1...2, using: &random), initial: 7, ttl: 0), key)
                }
            }
            var answers = [CacheAnswer?](repeating: nil, count: requests.count)
            for round in rounds(requests) {
                let answer = together.perform(round.combined, key: round.key, nowMs: 0)
                for (index, member) in round.members.enumerated() { answers[member] = round.answer(answer, at: index) }
            }
            let expected = requests.map { oneByOne.perform($0, key: $1, nowMs: 0) }
            #expect(answers == expected, "seed \(random.seed)")
        }
    }
}
