// SPDX-License-Identifier: Apache-2.0
import Dispatch
import NIOConcurrencyHelpers
import NIOCore
import PluginABI

/// `hostd.cache/1` where servers are set up: one connection to each for the whole worker, on a thread of its own.
///
/// What is asked while the thread is at work goes out behind it without a further wake-up, in as few rounds as it takes
/// (`CacheRounds`), and answers come back to the loop by hundreds.
///
/// `@unchecked Sendable`: `client` is used on `thread` alone, the rest is behind the lock.
final class MemcachedCache: CacheStore, @unchecked Sendable {
    private struct Job: Sendable {
        let request: CacheRequest
        let key: String
        let done: NIOLoopBound<(CacheAnswer) -> Void>
    }

    /// So many answers are told together at most, that the plugin may go on meanwhile.
    private static let answersPerTurn = 256

    private let loop: any EventLoop
    private let thread = DispatchQueue(label: "hostd.cache")
    private let servers: [CacheServer]
    private var client: MemcachedClient?

    private let lock = NIOLock()
    private var waiting: [Job] = []
    private var isRunning = false
    private var isShutDown = false

    init(_ servers: [CacheServer], loop: any EventLoop) {
        self.servers = servers
        self.loop = loop
    }

    func perform(_ request: CacheRequest, key: String, done: @escaping (CacheAnswer) -> Void) {
        let job = Job(request: request, key: key, done: NIOLoopBound(done, eventLoop: loop))
        let starts = lock.withLock {
            waiting.append(job)
            defer { isRunning = true }
            return !isRunning
        }
        if starts { thread.async { self.run() } }
    }

    func shutDown() {
        lock.withLock {
            isShutDown = true
            waiting = []
        }
        thread.async { self.client = nil }
    }

    /// On the thread, until nothing waits.
    private func run() {
        let client = client ?? MemcachedClient(servers)
        self.client = client
        while true {
            let jobs = lock.withLock { () -> [Job] in
                defer { waiting = [] }
                if waiting.isEmpty { isRunning = false }
                return waiting
            }
            guard !jobs.isEmpty else { return }
            var told = 0
            while told < jobs.count {
                let part = jobs[told..<min(told + Self.answersPerTurn, jobs.count)]
                told = part.endIndex
                let answers = Self.answers(to: part, by: client)
                // The plugin is gone by then, perhaps; its operations are too.
                guard !lock.withLock({ isShutDown }) else { return }
                loop.execute { for (job, answer) in zip(part, answers) { job.done.value(answer) } }
            }
        }
    }

    private static func answers(to jobs: ArraySlice<Job>, by client: MemcachedClient?) -> [CacheAnswer] {
        var answers = [CacheAnswer](repeating: CacheAnswer(status: HOSTD_E_FAIL), count: jobs.count)
        guard let client else { return answers }
        var rounds = CacheRounds()
        for job in jobs { rounds.add(job.request, key: job.key) }
        for round in rounds.rounds {
            let answer = client.perform(round.combined, key: round.key)
            for (index, member) in round.members.enumerated() { answers[member] = round.answer(answer, at: index) }
        }
        return answers
    }
}
