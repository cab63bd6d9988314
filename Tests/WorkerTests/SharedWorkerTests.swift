// SPDX-License-Identifier: Apache-2.0
import Control
import Foundation
import QueueCore
import TestSupport
import Testing

@testable import Worker

/// Two plugins in one worker (`workers.isolate: group`), on one loop.
@Suite struct SharedWorkerTests {
    private static let queue = "demoout"

    @Test("Each handles its own queues over its own link; the worker is ready once, when both have theirs")
    func works() async throws {
        let worker = try await RunningWorker(isShared: true)
        try await worker.start()
        #expect(try await worker.run(1, "config site.nickname").text == "status=0 value=alice generation=1")
        try await worker.deliver(2, "a line", to: RunningWorker.minimal, queue: Self.queue)
        #expect(try await worker.result(2).code == .done)
        #expect(try String(contentsOfFile: worker.directory.file("out"), encoding: .utf8) == "a line\n")
        let journals = try FileManager.default.contentsOfDirectory(atPath: worker.directory.file("journals"))
        #expect(journals.count { $0.hasSuffix(".journal") } == 2)
        #expect(worker.said.all.count { $0 == .ready } == 1)
    }

    @Test("A drain waits for what is in flight in both, closes both and exits 0")
    func drains() async throws {
        let worker = try await RunningWorker(isShared: true)
        try await worker.start()
        try await worker.deliver(1, "timer 50")
        try await worker.tell(.drain(timeoutMs: 10_000))
        #expect(try await worker.result(1).text == "fired")
        #expect(try await worker.exits.next() == 0)
        #expect(worker.broker.ends.all == ["stopped", "stopped"])
        #expect(worker.said.all.last == .drained)
        let journals = try FileManager.default.contentsOfDirectory(atPath: worker.directory.file("journals"))
        #expect(journals.isEmpty)
    }

    @Test("A missed deadline in one gives back what the other has, and the worker ends")
    func overdue() async throws {
        let worker = try await RunningWorker(isShared: true)
        try await worker.start()
        try await worker.deliver(1, "hang it", to: RunningWorker.minimal, queue: Self.queue)
        try await worker.deliver(2, "never", timeoutMs: 100)
        #expect(try await worker.result(2).code == .overdue)
        #expect(try await worker.result(1).code == .giveBack)
        #expect(try await worker.exits.next() == 70)
    }

    @Test("A plugin that no site enables any more closes its sites and serves nothing; the other works on")
    func oneLeaves() async throws {
        let worker = try await RunningWorker(isShared: true)
        try await worker.start()
        var next = worker.configuration
        next.others = []
        try await worker.tell(.configure(.worker(next)))
        try await worker.deliver(1, "a line", to: RunningWorker.minimal, queue: Self.queue)
        #expect(try await worker.result(1).code == .giveBack)
        #expect(worker.broker.sites.all == ["refuse alice", "serve "])
        #expect(try await worker.run(2, "done").code == .done)
    }
}
