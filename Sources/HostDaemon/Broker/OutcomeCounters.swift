// SPDX-License-Identifier: Apache-2.0
import QueueCore
import QueueStore

/// What was counted of deliveries and enqueues, for /metrics. Never by target.
struct OutcomeCounters {
    struct Key: Hashable {
        var queue: NameID
        var site: NameID
        var outcome: String
    }

    private(set) var deliveries: [Key: Int64] = [:]
    private(set) var enqueued: [Key: Int64] = [:]

    mutating func add(_ item: ActiveItem, _ outcome: String) {
        deliveries[Key(queue: item.row.queue, site: item.row.site, outcome: outcome), default: 0] += 1
    }

    mutating func addEnqueued(queue: NameID, site: NameID, count: Int64 = 1) {
        enqueued[Key(queue: queue, site: site, outcome: ""), default: 0] += count
    }
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
