// SPDX-License-Identifier: Apache-2.0

/// The metrics of all processes together: the newest snapshot of each, and what ended ones counted, so that a counter
/// never falls when a worker is replaced.
///
/// Kept by the supervisor on its one thread.
package struct MetricLedger: Codable, Equatable, Sendable {
    private var current: [Int32: [MetricSample]] = [:]
    /// Counters and histograms of processes that ended.
    private var retired: [MetricSample] = []

    package init() {}

    /// Each snapshot of a process takes the place of the one before.
    package mutating func update(pid: Int32, _ samples: [MetricSample]) {
        current[pid] = samples
    }

    package mutating func retire(pid: Int32) {
        guard let last = current.removeValue(forKey: pid) else { return }
        retired = MetricSample.merge([retired, last.filter { $0.kind != .gauge }])
    }

    package func total() -> [MetricSample] {
        MetricSample.merge([retired] + current.sorted { $0.key < $1.key }.map(\.value))
    }
}
