// SPDX-License-Identifier: Apache-2.0

/// The state of one series at one moment, as it goes from a process to the supervisor and to the console.
package struct MetricSample: Codable, Hashable, Sendable {
    package let name: String
    package let kind: MetricKind
    package let help: String
    package let merge: MetricMerge
    package let labels: [String: String]
    /// A counter's or gauge's; 0 in a histogram.
    package var value: Double
    package var histogram: Histogram?

    package init(
        _ metric: MetricDefinition,
        labels: [String: String] = [:],
        value: Double = 0,
        histogram: Histogram? = nil
    ) {
        name = metric.name
        kind = metric.kind
        help = metric.help
        merge = metric.merge
        self.labels = labels
        self.value = value
        self.histogram = histogram
    }

    /// What makes two samples the same series.
    struct Series: Hashable {
        let name: String
        let kind: MetricKind
        let labels: [String: String]
    }

    var series: Series { Series(name: name, kind: kind, labels: labels) }

    mutating func add(_ other: MetricSample) {
        switch merge {
        case .sum: value += other.value
        case .largest: value = max(value, other.value)
        }
        if let histogram = other.histogram { self.histogram?.merge(histogram) }
    }

    /// The same series of several processes as one, in the order of their first appearance.
    package static func merge(_ lists: [[MetricSample]]) -> [MetricSample] {
        var merged: [MetricSample] = []
        var places: [Series: Int] = [:]
        for sample in lists.joined() {
            if let place = places[sample.series] {
                merged[place].add(sample)
            } else {
                places[sample.series] = merged.count
                merged.append(sample)
            }
        }
        return merged
    }
}
