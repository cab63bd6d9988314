// SPDX-License-Identifier: Apache-2.0

/// What a metric is: the raw values are Prometheus' TYPE words.
package enum MetricKind: String, Codable, Sendable {
    case counter
    case gauge
    case histogram
}

/// How the same series of several processes become one.
package enum MetricMerge: String, Codable, Sendable {
    case sum
    case largest
}

/// A metric's name and nature; its series differ by labels.
package struct MetricDefinition: Hashable, Sendable {
    package let name: String
    package let kind: MetricKind
    package let help: String
    package let merge: MetricMerge
    /// Upper bounds of a histogram's buckets, rising; +Inf goes without saying.
    package let buckets: [Double]

    package init(
        _ kind: MetricKind,
        _ name: String,
        help: String,
        merge: MetricMerge = .sum,
        buckets: [Double] = MetricDefinition.secondsBuckets
    ) {
        self.name = name
        self.kind = kind
        self.help = help
        self.merge = merge
        self.buckets = kind == .histogram ? buckets : []
    }

    /// From a loopback answer to the longest timeout that anybody sets.
    package static let secondsBuckets: [Double] = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    ]
}

/// hostd's own metrics.
///
/// Never labelled by target: their number has no bound.
package enum HostMetrics {
    package static let itemsEnqueued = MetricDefinition(
        .counter,
        "hostd_items_enqueued_total",
        help: "Items accepted and durable."
    )
    /// Labels: plugin, queue, site, outcome (done, retry, defer, discard, dead).
    package static let deliveries = MetricDefinition(
        .counter,
        "hostd_deliveries_total",
        help: "Deliveries by outcome."
    )
    /// Labels: queue, state (ready, delayed, claimed, dead).
    package static let items = MetricDefinition(.gauge, "hostd_items", help: "Items in the store by state.")
    package static let deliverySeconds = MetricDefinition(
        .histogram,
        "hostd_delivery_seconds",
        help: "Time from the call of a handler to its outcome."
    )
    /// Labels: state (closed, open, half-open, held, blocked).
    package static let lanes = MetricDefinition(
        .gauge,
        "hostd_lanes",
        help: "Active lanes by the state of their circuit."
    )
    package static let blocks = MetricDefinition(
        .gauge,
        "hostd_target_blocks",
        help: "Patterns of targets that an operator blocked."
    )
    package static let paused = MetricDefinition(
        .gauge,
        "hostd_paused_queues",
        help: "Queues that an operator paused, on one site or on all."
    )
    package static let storeUsed = MetricDefinition(
        .gauge,
        "hostd_store_used_bytes",
        help: "Bytes of the store that are in use: what queue.max_store limits."
    )
    package static let storeFile = MetricDefinition(
        .gauge,
        "hostd_store_file_bytes",
        help: "Bytes of the store's file, pages that are free in it included."
    )
    /// Absent where there is none.
    package static let storeLimit = MetricDefinition(
        .gauge,
        "hostd_store_limit_bytes",
        help: "queue.max_store: past it producers wait."
    )
    /// Absent where the file system doesn't say.
    package static let diskFree = MetricDefinition(
        .gauge,
        "hostd_store_disk_free_bytes",
        help: "Bytes that the store's file system has left."
    )
    package static let producersWait = MetricDefinition(
        .gauge,
        "hostd_producers_wait",
        help: "1 while producers wait for room, else 0."
    )
    /// This and the next two: absent where queue.dead_letter_dir isn't set.
    package static let deadFilesWritten = MetricDefinition(
        .counter,
        "hostd_dead_letter_files_written_total",
        help: "Dead letters written to queue.dead_letter_dir."
    )
    package static let deadFilesWaiting = MetricDefinition(
        .gauge,
        "hostd_dead_letter_files_waiting",
        help: "Dead letters whose files are to be written or removed."
    )
    package static let deadFilesFailed = MetricDefinition(
        .counter,
        "hostd_dead_letter_files_failed_total",
        help: "Steps in queue.dead_letter_dir that failed, each tried again."
    )
    /// Labels: plugin, cause.
    package static let workerDeaths = MetricDefinition(
        .counter,
        "hostd_worker_deaths_total",
        help: "Workers that ended unasked."
    )
    /// Labels: plugin.
    package static let generation = MetricDefinition(
        .gauge,
        "hostd_generation",
        help: "Newest generation of a plugin's workers.",
        merge: .largest
    )
    /// Labels: role.
    package static let residentBytes = MetricDefinition(
        .gauge,
        "hostd_process_resident_bytes",
        help: "Resident memory of all processes of a role."
    )

    package static let all = [
        itemsEnqueued, deliveries, items, deliverySeconds, lanes, blocks, paused, storeUsed, storeFile, storeLimit,
        diskFree, producersWait, deadFilesWritten, deadFilesWaiting, deadFilesFailed, workerDeaths, generation,
        residentBytes,
    ]
}
