// SPDX-License-Identifier: Apache-2.0
import DequeModule
import QueueStore

/// What `queue.dead_letter_dir` lacks of the store's dead letters, and what is too much there: decides the next step.
///
/// A value without I/O. The table is the truth: what is forgotten here (a crash, too many at once) is found again by
/// comparing folder and table, which begins every life of the broker.
struct DeadFileBacklog {
    enum Step: Hashable, Sendable {
        /// Files of letters that are gone; before all writes, since a letter may have died anew.
        case remove([DeadFileName])
        /// The letters of these ids, those that are still dead.
        case write([Int64])
        /// Which letters behind this id have no file.
        case compare(after: Int64)
        /// Which files have no letter.
        case sweep
    }

    /// Past this many a comparison finds them: memory is bounded.
    static let limit = 10_000
    private static let removalsAtOnce = 200
    private static let writesAtOnce = 50
    static let retriesMs: ClosedRange<Int64> = 1000...60_000

    private var removals: Deque<DeadFileName> = []
    private var writes: Deque<Int64> = []
    private var queued: Set<Int64> = []
    private var scan: Step? = .compare(after: 0)
    /// Something was left out while a comparison was under way.
    private var scansAgain = false
    private(set) var failures = 0

    var waiting: Int { removals.count + writes.count }
    var isEmpty: Bool { waiting == 0 && scan == nil }

    mutating func note(_ changes: [DeadChange]) {
        for change in changes {
            switch change {
            case .died(let id): add(write: id)
            case .gone(let id, let site, let queue):
                guard removals.count < Self.limit else {
                    compare()
                    continue
                }
                removals.append(DeadFileName(id: id, site: site, queue: queue))
            }
        }
    }

    private mutating func add(write id: Int64) {
        guard writes.count < Self.limit else { return compare() }
        if queued.insert(id).inserted { writes.append(id) }
    }

    /// Compares folder and table, now or after the comparison that is under way.
    mutating func compare() {
        if scan == nil { scan = .compare(after: 0) } else { scansAgain = true }
    }

    /// The step to do; the same again until it is told as done.
    func next() -> Step? {
        if !removals.isEmpty { return .remove(Array(removals.prefix(Self.removalsAtOnce))) }
        if !writes.isEmpty { return .write(Array(writes.prefix(Self.writesAtOnce))) }
        return scan
    }

    mutating func removed(_ names: [DeadFileName]) {
        removals.removeFirst(names.count)
        failures = 0
    }

    mutating func wrote(_ ids: [Int64]) {
        let done = Set(ids)
        writes.removeAll { done.contains($0) }
        queued.subtract(done)
        failures = 0
    }

    /// `next`: where the comparison goes on; nil: all letters were looked at.
    mutating func compared(lacking: [Int64], next: Int64?) {
        for id in lacking { add(write: id) }
        scan = next.map(Step.compare(after:)) ?? .sweep
        failures = 0
    }

    mutating func swept() {
        scan = scansAgain ? .compare(after: 0) : nil
        scansAgain = false
        failures = 0
    }

    /// Milliseconds until the step is tried again.
    ///
    /// `id`: the letter that couldn't be written goes behind the others, which may be writable.
    mutating func failed(writing id: Int64? = nil) -> Int64 {
        if let id, let index = writes.firstIndex(of: id) {
            writes.remove(at: index)
            writes.append(id)
        }
        failures += 1
        return min(Self.retriesMs.lowerBound << Int64(min(failures - 1, 20)), Self.retriesMs.upperBound)
    }
}
