// SPDX-License-Identifier: Apache-2.0

import Glibc
import PluginABI
import Synchronization

/// Queues the jobs of handlers and runs them on the host's serial thread.
///
/// The C entry points call `enter()` first and `leave()` last, and `leave()` runs what has become ready: at the end of
/// handle(), of each callback, and of a wake-up that was posted because another thread sent a job. So a plain async
/// handler costs no thread switch. Unchecked Sendable: what isn't atomic or locked belongs to the thread that is inside.
final class HostExecutor: TaskExecutor, SerialExecutor, @unchecked Sendable {
    static let shared = HostExecutor()

    /// Jobs that other threads sent, and whether the host has been asked to come and fetch them.
    private struct Arrivals {
        var jobs: [UnownedJob] = []
        var isWakePosted = false
        /// More than one only in a test process; the newest is asked.
        var hosts: [UnsafePointer<hostd_host>] = []
    }

    private var ready: [UnownedJob] = []
    private var batch: [UnownedJob] = []
    private var depth = 0
    private var isDraining = false
    /// The thread that is inside; 0 = none.
    private let inside = Atomic<UInt>(0)
    private let hasArrivals = Atomic<Bool>(false)
    private let arrivals = Locked(Arrivals())

    func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    /// True on the host's thread while it is in this plugin.
    var isInside: Bool { inside.load(ordering: .relaxed) == UInt(pthread_self()) }

    func checkIsolated() { precondition(isInside, "not on the host's serial thread") }
    func isIsolatingCurrentContext() -> Bool? { isInside }

    /// From now on `host` wakes this executor; until there is one, jobs from other threads wait for the next call.
    func attach(_ host: UnsafePointer<hostd_host>) {
        let isWaiting = arrivals.withLock { arrivals in
            arrivals.hosts.append(host)
            arrivals.isWakePosted = false
            return !arrivals.jobs.isEmpty
        }
        if isWaiting { wake() }
    }

    func detach(_ host: UnsafePointer<hostd_host>) {
        arrivals.withLock { arrivals in
            arrivals.hosts.removeAll { $0 == host }
            arrivals.isWakePosted = false
        }
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        guard !isInside else {
            ready.append(job)
            return
        }
        arrivals.withLock { $0.jobs.append(job) }
        hasArrivals.store(true, ordering: .releasing)
        wake()
    }

    /// On the host's thread, as the first thing of a call.
    func enter() {
        if depth == 0 { inside.store(UInt(pthread_self()), ordering: .relaxed) }
        depth += 1
    }

    /// On the host's thread, as the last thing of a call: runs what is ready.
    func leave() {
        if !isDraining { drain() }
        depth -= 1
        if depth == 0 { inside.store(0, ordering: .relaxed) }
    }

    private func drain() {
        isDraining = true
        while true {
            if hasArrivals.load(ordering: .acquiring) { takeArrivals() }
            if ready.isEmpty { break }
            swap(&ready, &batch)
            for job in batch {
                job.runSynchronously(
                    isolatedTo: asUnownedSerialExecutor(),
                    taskExecutor: asUnownedTaskExecutor()
                )
            }
            batch.removeAll(keepingCapacity: true)
        }
        isDraining = false
    }

    private func takeArrivals() {
        arrivals.withLock { arrivals in
            hasArrivals.store(false, ordering: .relaxed)
            ready.append(contentsOf: arrivals.jobs)
            arrivals.jobs.removeAll(keepingCapacity: true)
            arrivals.isWakePosted = false
        }
    }

    private func wake() {
        let host = arrivals.withLock { arrivals -> UnsafePointer<hostd_host>? in
            guard !arrivals.isWakePosted, let host = arrivals.hosts.last else { return nil }
            arrivals.isWakePosted = true
            return host
        }
        guard let host, let post = host.pointee.post else { return }
        let status = post(
            host,
            { _ in
                HostExecutor.shared.enter()
                HostExecutor.shared.leave()
            },
            nil
        )
        // A host that is shutting down runs nothing more: the jobs stay queued, as their tasks would never end anyway.
        if status < 0 { arrivals.withLock { $0.isWakePosted = false } }
    }
}
