// SPDX-License-Identifier: Apache-2.0

import PluginABI

/// One item in a handler, good until the handler returns; using it later stops the worker.
///
/// Texts and bytes are copied out of the host's memory when they are asked for, and not before.
@HostActor
public struct Item {
    let delivery: Delivery

    private var job: UnsafePointer<hostd_job> { delivery.job }

    /// The site that it belongs to.
    public var site: Site { delivery.site.site }
    /// The queue that it came from.
    public var queue: String { delivery.queue }

    /// The site's configuration when this delivery began.
    public var config: SiteConfig {
        let current = site.config
        let snapshot = job.pointee.config
        return current.snapshot == snapshot ? current : SiteConfig(snapshot, host: site.host)
    }

    /// What is this item's own.
    public var payload: [UInt8] { [UInt8](job.pointee.payload.bytes) }
    /// What it has in common with the items that were staged with it; may be empty.
    public var shared: [UInt8] { [UInt8](job.pointee.shared.bytes) }

    /// Lends the payload without a copy.
    public func withPayload<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try body(job.pointee.payload.bytes)
    }

    /// Lends the shared part without a copy.
    public func withShared<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try body(job.pointee.shared.bytes)
    }

    /// What a producer sent: the payload, or the shared part where the frame went to several queues.
    public var frame: [UInt8] { job.pointee.payload.len > 0 ? payload : shared }

    /// Its lane as it was given when it was added; empty = none.
    public var lane: String { job.pointee.lane.string }
    /// Stable over redeliveries: an idempotency key towards the remote side.
    public var dedupeKey: String { job.pointee.dedup_key.string }
    /// What the last ``Outcome/continue(cursor:)`` committed; empty at the start.
    public var cursor: [UInt8] { [UInt8](job.pointee.cursor.bytes) }

    /// 1, 2, ...: how often it was retried, this time included.
    public var attempt: Int { Int(job.pointee.attempt) }
    /// Deliveries that ended with the worker's death, a missed deadline included.
    public var kills: Int { Int(job.pointee.kills) }
    /// An earlier delivery ended in a worker's crash.
    public var isAfterCrash: Bool { job.pointee.flags & HOSTD_JF_AFTER_CRASH != 0 }
    /// A retry now means a dead letter.
    public var isLastTry: Bool { job.pointee.flags & HOSTD_JF_LAST_TRY != 0 }
    /// It may have been carried out before.
    public var mayBeDuplicate: Bool { job.pointee.flags & HOSTD_JF_DUPLICATE != 0 }

    /// When it was enqueued.
    public var enqueued: UnixTime { UnixTime(milliseconds: job.pointee.enqueued_ms) }
    /// How long until its deadline, after which the worker may be killed.
    public var timeLeft: Duration { .milliseconds(job.pointee.deadline_ms - site.host.monotonicNow) }

    /// Log lines with the item's site, queue and id.
    public var log: Log { Log(host: site.host, site: site.handle, token: delivery.token) }
}
