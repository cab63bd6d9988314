// SPDX-License-Identifier: Apache-2.0
import NIOConcurrencyHelpers
import NIOCore
import PluginABI
import QueueCore
package import Telemetry

/// `hostd.metrics/1`: counters, gauges and histograms of a plugin; the host adds the labels plugin and site.
///
/// `@unchecked Sendable`: record() comes from any thread; all state is behind the lock.
package final class MetricsService: @unchecked Sendable {
    private static let maxMetrics = 256

    private let plugin: PluginName
    private let prefix: String
    private let lock = NIOLock()
    private var defined: [MetricDefinition] = []
    private var counters = Counters()

    init(plugin: PluginName) {
        self.plugin = plugin
        prefix = "hostd_plugin_" + String(plugin.rawValue.map { $0.isLetter || $0.isNumber ? $0 : "_" }) + "_"
    }

    /// All values of this moment.
    ///
    /// Any thread.
    package var samples: [MetricSample] { lock.withLock { counters.snapshot() } }

    func define(_ kind: UInt32, name: String, help: String) -> (status: Int32, id: UInt32) {
        let kinds: [UInt32: MetricKind] = [
            HOSTD_M_COUNTER: .counter, HOSTD_M_GAUGE: .gauge, HOSTD_M_HISTOGRAM: .histogram,
        ]
        guard let kind = kinds[kind], Self.isLegal(name) else { return (HOSTD_E_INVAL, 0) }
        return lock.withLock {
            guard defined.count < Self.maxMetrics else { return (HOSTD_E_LIMIT, 0) }
            guard !defined.contains(where: { $0.name == prefix + name }) else { return (HOSTD_E_INVAL, 0) }
            defined.append(MetricDefinition(kind, prefix + name, help: help))
            return (HOSTD_OK, UInt32(defined.count))
        }
    }

    func record(_ id: UInt32, site: SiteName?, _ value: Double) -> Int32 {
        lock.withLock {
            guard id >= 1, id <= defined.count, value.isFinite else { return HOSTD_E_INVAL }
            let metric = defined[Int(id) - 1]
            var labels = ["plugin": plugin.rawValue]
            if let site { labels["site"] = site.rawValue }
            let series = counters.series(metric, labels)
            switch metric.kind {
            case .counter:
                // A counter never goes down.
                guard value >= 0 else { return HOSTD_E_INVAL }
                counters.add(value, to: series)
            case .gauge: counters.set(series, to: value)
            case .histogram: counters.observe(value, in: series)
            }
            return HOSTD_OK
        }
    }

    /// Prometheus' rule.
    private static func isLegal(_ name: String) -> Bool {
        guard let first = name.utf8.first, name.utf8.count <= 128, !(0x30...0x39).contains(first) else { return false }
        return name.utf8.allSatisfy {
            (0x61...0x7A).contains($0) || (0x41...0x5A).contains($0) || (0x30...0x39).contains($0)
                || $0 == UInt8(ascii: "_")
        }
    }
}

extension PluginInstance {
    /// [serial], in init() only.
    func metricsDefine(
        _ kind: UInt32,
        _ name: hostd_str,
        _ help: hostd_str,
        _ id: UnsafeMutablePointer<UInt32>?
    ) -> Int32 {
        guard let id else { return HOSTD_E_INVAL }
        id.pointee = 0
        guard loop.inEventLoop else { return HOSTD_E_THREAD }
        guard phase == .initializing else { return HOSTD_E_INVAL }
        let (status, number) = metrics.define(kind, name: name.text(limit: 256), help: help.text(limit: 512))
        id.pointee = number
        return status
    }

    // [any]
    func metricsRecord(_ id: UInt32, _ site: hostd_site, _ value: Double) -> Int32 {
        if site == 0 { return metrics.record(id, site: nil, value) }
        guard let site = siteTable[site] else { return HOSTD_E_STALE }
        return metrics.record(id, site: site.nickname, value)
    }
}
