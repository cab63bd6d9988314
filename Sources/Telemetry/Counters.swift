// SPDX-License-Identifier: Apache-2.0

/// The metrics of one process, or of one event loop of it: a value that its owner keeps to one thread.
///
/// A series is found once; counting is then an addition at an index.
package struct Counters {
    /// A series of this value; good for its whole life.
    package struct ID: Hashable, Sendable {
        fileprivate let index: Int
    }

    private struct Key: Hashable {
        let name: String
        let labels: [String: String]
    }

    private var samples: [MetricSample] = []
    private var places: [Key: Int] = [:]
    /// Gauges that were withdrawn: kept for their place, left out of snapshots.
    private var hidden: Set<Int> = []

    package init() {}

    /// Finds or makes the series.
    package mutating func series(_ metric: MetricDefinition, _ labels: [String: String] = [:]) -> ID {
        let key = Key(name: metric.name, labels: labels)
        if let index = places[key] { return ID(index: index) }
        let histogram = metric.kind == .histogram ? Histogram(bounds: metric.buckets) : nil
        samples.append(MetricSample(metric, labels: labels, histogram: histogram))
        places[key] = samples.count - 1
        return ID(index: samples.count - 1)
    }

    /// Counters only rise: an amount below zero is left out.
    package mutating func add(_ amount: Double = 1, to id: ID) {
        guard amount.isFinite, amount >= 0 || samples[id.index].kind == .gauge else { return }
        samples[id.index].value += amount
        hidden.remove(id.index)
    }

    package mutating func set(_ id: ID, to value: Double) {
        guard value.isFinite else { return }
        samples[id.index].value = value
        hidden.remove(id.index)
    }

    package mutating func observe(_ value: Double, in id: ID) {
        samples[id.index].histogram?.observe(value)
    }

    /// For series that aren't worth keeping an ID of.
    package mutating func add(_ amount: Double = 1, to metric: MetricDefinition, _ labels: [String: String] = [:]) {
        add(amount, to: series(metric, labels))
    }

    package mutating func set(_ metric: MetricDefinition, _ labels: [String: String] = [:], to value: Double) {
        set(series(metric, labels), to: value)
    }

    /// Takes all series of a gauge out of the snapshots until they are set again: before setting what there is now.
    package mutating func withdraw(_ metric: MetricDefinition) {
        for index in samples.indices where samples[index].name == metric.name { hidden.insert(index) }
    }

    package func snapshot() -> [MetricSample] {
        if hidden.isEmpty { return samples }
        return samples.indices.filter { !hidden.contains($0) }.map { samples[$0] }
    }
}
