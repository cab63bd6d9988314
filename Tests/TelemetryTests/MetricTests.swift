// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Telemetry

@Suite struct MetricTests {
    private let gauge = MetricDefinition(.gauge, "g", help: "A gauge.")
    private let counter = MetricDefinition(.counter, "c_total", help: "")

    @Test("A series is found again by its labels; counting adds")
    func counts() {
        var counters = Counters()
        let first = counters.series(counter, ["a": "1"])
        counters.add(to: first)
        counters.add(2, to: counters.series(counter, ["a": "1"]))
        counters.add(5, to: counter, ["a": "2"])
        #expect(counters.snapshot().map(\.value) == [3, 5])
    }

    @Test("A counter doesn't fall, a gauge may; neither takes what isn't a number")
    func monotonic() {
        var counters = Counters()
        counters.add(2, to: counter)
        counters.add(-1, to: counter)
        counters.add(.nan, to: counter)
        counters.set(gauge, to: 2)
        counters.add(-3, to: gauge)
        counters.set(gauge, to: .infinity)
        #expect(counters.snapshot().map(\.value) == [2, -1])
    }

    @Test("A withdrawn gauge is gone until it is set again")
    func withdraw() {
        var counters = Counters()
        counters.set(gauge, ["q": "a"], to: 1)
        counters.set(gauge, ["q": "b"], to: 1)
        counters.withdraw(gauge)
        counters.set(gauge, ["q": "b"], to: 7)
        #expect(counters.snapshot() == [MetricSample(gauge, labels: ["q": "b"], value: 7)])
    }

    @Test("A histogram counts a value in the first bucket that holds it")
    func histogram() {
        var histogram = Histogram(bounds: [1, 2])
        for value in [0, 1, 1.5, 2, 3, .nan] { histogram.observe(value) }
        #expect(histogram.counts == [2, 2, 1])
        #expect(histogram.count == 5)
        #expect(histogram.sum == 7.5)
        histogram.merge(histogram)
        histogram.merge(Histogram(bounds: [9]))
        #expect(histogram.counts == [4, 4, 2])
        #expect(histogram.sum == 15)
    }

    @Test("The ledger sums processes, keeps what ended ones counted, and forgets their gauges")
    func ledger() {
        let generation = HostMetrics.generation
        var ledger = MetricLedger()
        ledger.update(pid: 1, [MetricSample(counter, value: 9)])
        ledger.update(
            pid: 1,
            [MetricSample(counter, value: 10), MetricSample(gauge, value: 1), MetricSample(generation, value: 4)]
        )
        ledger.update(
            pid: 2,
            [MetricSample(counter, value: 5), MetricSample(gauge, value: 2), MetricSample(generation, value: 3)]
        )
        #expect(ledger.total().map(\.value) == [15, 3, 4])
        ledger.retire(pid: 1)
        ledger.retire(pid: 1)
        #expect(ledger.total().map(\.value) == [15, 2, 3])
        ledger.update(pid: 3, [MetricSample(counter, value: 1)])
        #expect(ledger.total().map(\.value) == [16, 2, 3])
    }

    @Test("Samples survive JSON")
    func codable() throws {
        var counters = Counters()
        counters.observe(0.3, in: counters.series(HostMetrics.deliverySeconds))
        counters.add(to: HostMetrics.deliveries, ["site": "alice"])
        let data = try JSONEncoder().encode(counters.snapshot())
        #expect(try JSONDecoder().decode([MetricSample].self, from: data) == counters.snapshot())
    }

    @Test("Prometheus text: sorted, typed, escaped, buckets cumulative")
    func prometheus() {
        var histogram = Histogram(bounds: [0.5, 1])
        for value in [0.25, 0.75, 5] { histogram.observe(value) }
        let seconds = MetricDefinition(.histogram, "s_seconds", help: "Time\\\nspent \"here\".", buckets: [0.5, 1])
        let text = PrometheusText.render([
            MetricSample(seconds, labels: ["p": "x"], histogram: histogram),
            MetricSample(gauge, labels: ["q": "b", "a": "\"\\\n"], value: 1.5),
            MetricSample(gauge, labels: ["q": "a"], value: 12),
            MetricSample(counter, value: 3),
            MetricSample(MetricDefinition(.counter, "g", help: "other kind"), value: 1),
            MetricSample(MetricDefinition(.gauge, "not legal", help: ""), value: 1),
        ])
        #expect(
            text == #"""
                # TYPE c_total counter
                c_total 3
                # HELP g A gauge.
                # TYPE g gauge
                g{a="\"\\\n",q="b"} 1.5
                g{q="a"} 12
                # HELP s_seconds Time\\\nspent "here".
                # TYPE s_seconds histogram
                s_seconds_bucket{p="x",le="0.5"} 1
                s_seconds_bucket{p="x",le="1"} 2
                s_seconds_bucket{p="x",le="+Inf"} 3
                s_seconds_sum{p="x"} 6
                s_seconds_count{p="x"} 3

                """#
        )
    }

    @Test("hostd's own metrics have legal names, help, and counters that end in _total")
    func definitions() {
        #expect(Set(HostMetrics.all.map(\.name)).count == HostMetrics.all.count)
        for metric in HostMetrics.all {
            #expect(PrometheusText.isName(metric.name) && metric.name.hasPrefix("hostd_") && !metric.help.isEmpty)
            #expect(metric.name.hasSuffix("_total") == (metric.kind == .counter))
            #expect(metric.buckets == metric.buckets.sorted())
        }
    }
}
