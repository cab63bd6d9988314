// SPDX-License-Identifier: Apache-2.0
import QueueCore
import QueueStore
import Telemetry

/// What is counted of deliveries and enqueues, for /metrics.
///
/// Confined to the broker's loop.
struct OutcomeCounters {
    private struct Key: Hashable {
        let queue: NameID
        let site: NameID
        let outcome: String
    }

    private var counters = Counters()
    /// Looking a series up by its labels costs more than a delivery should pay.
    private var deliveries: [Key: Counters.ID] = [:]
    private var enqueued: [Key: Counters.ID] = [:]
    private var seconds: [NameID: Counters.ID] = [:]

    mutating func add(_ line: QueueLine, _ siteID: NameID, _ outcome: String, site: (NameID) -> String?) {
        let key = Key(queue: line.queue, site: siteID, outcome: outcome)
        if let id = deliveries[key] {
            counters.add(to: id)
            return
        }
        let id = counters.series(
            HostMetrics.deliveries,
            [
                "plugin": line.handler?.plugin.rawValue ?? "hostd", "queue": line.name,
                "site": site(siteID) ?? "", "outcome": outcome,
            ]
        )
        deliveries[key] = id
        counters.add(to: id)
    }

    mutating func observe(_ item: ActiveItem, elapsedUs: UInt32) {
        let id =
            seconds[item.row.queue] ?? counters.series(HostMetrics.deliverySeconds, ["queue": item.source.line.name])
        seconds[item.row.queue] = id
        counters.observe(Double(elapsedUs) / 1_000_000, in: id)
    }

    mutating func addEnqueued(_ queueID: NameID, _ siteID: NameID, queue: String, site: String) {
        let key = Key(queue: queueID, site: siteID, outcome: "")
        let id = enqueued[key] ?? counters.series(HostMetrics.itemsEnqueued, ["queue": queue, "site": site])
        enqueued[key] = id
        counters.add(to: id)
    }

    var samples: [MetricSample] { counters.snapshot() }
}

extension OutcomeCode {
    /// As the metric's label says it.
    var word: String {
        switch self {
        case .done, .continue: "done"
        case .retry, .overdue: "retry"
        case .defer, .giveBack: "defer"
        case .discard: "discard"
        }
    }
}
