// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Supervisor

@Suite struct MemoryNeedsTests {
    private static let mebibyte: Int64 = 1 << 20

    private func needs(
        outgrown: [String: Int] = [:],
        resident: Int64 = 300,
        workers: Int64 = 4,
        available: Int64? = 1024
    ) -> [String] {
        MemoryNeeds(
            outgrown: outgrown,
            softLimit: 460 * Self.mebibyte,
            resident: resident * Self.mebibyte,
            workers: workers,
            least: 64 * Self.mebibyte,
            available: available.map { $0 * Self.mebibyte }
        ).sentences
    }

    @Test("Enough memory, and a worker that grew once or twice, need nobody")
    func well() {
        #expect(needs(outgrown: ["omb": 2]).isEmpty)
        #expect(needs(resident: 5000, workers: 5000, available: nil).isEmpty)
        #expect(MemoryNeeds().sentences.isEmpty)
    }

    @Test("Workers that grow again and again, and memory that is used up or can't be enough, are told with what to do")
    func short() {
        #expect(
            needs(outgrown: ["omb": 3, "twitter": 7, "xmppout": 1]) == [
                "Workers of omb grew past queue.softlimit (460 MiB) 3 times in the last hour: raise workers.memory_limit, "
                    + "or find what grows with queue.debug_memory.",
                "Workers of twitter grew past queue.softlimit (460 MiB) 7 times in the last hour: raise "
                    + "workers.memory_limit, or find what grows with queue.debug_memory.",
            ]
        )
        let advice = "fewer of them (workers.count, queue.breakout, workers.isolate: group), or more memory."
        #expect(
            needs(resident: 768) == [
                "hostd's processes use 768 MiB of the 1 GiB that it may use, with 4 workers: \(advice)"
            ]
        )
        #expect(
            needs(workers: 17) == [
                "17 workers want at least 64 MiB each, more than the 1 GiB that hostd may use: \(advice)"
            ]
        )
        #expect(needs(resident: 900, workers: 17).count == 1)
    }

    @Test("Growth counts for an hour")
    func growth() {
        var log = GrowthLog()
        for minute in 0..<90 { log.note("omb", at: .seconds(minute * 60)) }
        log.note("other", at: .zero)
        #expect(log.lately(at: .seconds(90 * 60)) == ["omb": 59])
        #expect(log.lately(at: .seconds(600 * 60)).isEmpty)
    }
}
