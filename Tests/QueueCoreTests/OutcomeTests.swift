// SPDX-License-Identifier: Apache-2.0
import QueueCore
import Testing

@Suite struct OutcomeTests {
    @Test("Outcome codes have the ABI's numbers; 0 is none of them")
    func codes() {
        let codes = (UInt8(0)...8).map(OutcomeCode.init(rawValue:))
        #expect(codes == [nil, .done, .continue, .retry, .defer, .discard, .giveBack, .overdue, nil])
    }

    @Test("Reason classes have the ABI's numbers")
    func reasons() {
        let expected: [ReasonClass] = [
            .none, .other, .network, .remote, .rate, .auth, .gone, .rejected, .badData, .config,
        ]
        #expect((UInt32(0)...9).map(ReasonClass.init(abi:)) == expected)
        #expect(ReasonClass.allCases == expected)
    }

    @Test("A reason that a newer header has is other", arguments: [UInt32(10), 255, 256, 257, 1 << 16, .max])
    func unknownReason(_ number: UInt32) {
        #expect(ReasonClass(abi: number) == .other)
    }

    @Test("Each reason has a word of its own that is safe as a label")
    func words() {
        let words = ReasonClass.allCases.map(\.word)
        #expect(Set(words).count == words.count)
        #expect(words.allSatisfy { QueueName.isLegal($0) })
        #expect(ReasonClass.badData.word == "bad-data")
    }

    @Test("The reasons of dead letters are the words that are stored and shown")
    func deadReasons() {
        let expected = [
            "max-retries", "killed", "expired", "rejected", "gone", "bad-frame", "unknown-site", "no-handler",
            "dropped",
        ]
        #expect(DeadReason.allCases.map(\.rawValue) == expected)
    }

    @Test("An outcome says nothing that it wasn't told")
    func plainOutcome() {
        let outcome = Outcome(.retry, reason: .network, text: "refused")
        #expect(outcome.code == .retry && outcome.reason == .network && outcome.text == "refused")
        #expect(!outcome.keep && !outcome.maybeDelivered && outcome.delayMs == 0 && outcome.holdMs == 0)
        #expect(outcome.holdLane.isEmpty && outcome.cursor.isEmpty)
        #expect(Outcome(.done).reason == .none)
    }

    @Test("A new item is of normal priority and has neither target, key, delay nor expiry")
    func plainItem() {
        let item = NewItem(queue: .notice, payload: [1])
        #expect(item.priority == Priority.normal && item.target.isEmpty && item.lane.isEmpty && item.dedupeKey.isEmpty)
        #expect(item.shared.isEmpty && item.delayMs == 0 && item.expiresMs == 0)
        #expect(Priority.lowest == 0 && Priority.normal == 4 && Priority.highest == 9)
    }
}
