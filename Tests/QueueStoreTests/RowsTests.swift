// SPDX-License-Identifier: Apache-2.0
import QueueCore
import Testing

@testable import QueueStore

@Suite struct RowsTests {
    @Test("A higher priority goes first, and retries go after the fresh items of theirs")
    func ranks() {
        let order = (0...9).reversed().flatMap { priority in
            [Rank(priority: UInt8(priority), isRetry: false), Rank(priority: UInt8(priority), isRetry: true)]
        }
        #expect(order.map(\.rawValue) == Array(Int64(0)...19))
        #expect(order == order.sorted())
        for rank in order {
            #expect(Rank(priority: rank.priority, isRetry: rank.isRetry) == rank)
            #expect(rank.retry.isRetry && rank.retry.priority == rank.priority)
        }
    }

    @Test("A priority above 9 is 9")
    func priorityLimit() {
        #expect(Rank(priority: 10, isRetry: false).priority == 9)
        #expect(Rank(priority: 255, isRetry: true) == Rank(priority: 9, isRetry: true))
    }

    @Test("Later chunks go one priority lower, down to the lowest, and stay what they are")
    func bulk() {
        for priority in UInt8(0)...9 {
            for isRetry in [false, true] {
                let bulk = Rank(priority: priority, isRetry: isRetry).bulk
                #expect(bulk.priority == (priority == 0 ? 0 : priority - 1) && bulk.isRetry == isRetry)
            }
        }
    }

    @Test("A lane's number is stored: it is the same in every process and release")
    func laneNumbers() {
        #expect(LaneHash(site: 1, queue: 2, key: "https://remote.example/notice").rawValue == 311_689_601_170_585_060)
        #expect(
            LaneHash(site: 2, queue: 1, key: "https://remote.example/notice").rawValue == 5_748_396_802_032_340_520
        )
        #expect(LaneHash(site: 1, queue: 2, key: "").rawValue == -5_034_300_390_817_955_329)
    }

    @Test("Lanes of many targets have numbers of their own")
    func laneNumbersDiffer() {
        var seen: Set<LaneHash> = []
        for site in Int64(1)...10 {
            for queue in Int64(1)...10 {
                for target in 0..<200 { seen.insert(LaneHash(site: site, queue: queue, key: "t\(target)")) }
            }
        }
        #expect(seen.count == 20_000)
    }
}
