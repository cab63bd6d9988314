// SPDX-License-Identifier: Apache-2.0
import PluginABI
import QueueCore
import RecipientDirectory

/// One delivery of one item to a handler, from the moment that handle() is entered.
///
/// Found by its token from any thread. `@unchecked Sendable`: what is marked so is guarded by the lock of the call table
/// (`DeliveryTable`), the rest is set before the token exists or stays on the plugin's loop.
final class HandlerCall: @unchecked Sendable {
    /// `DeliveredItem.id`: names the delivery in results.
    let delivery: UInt64
    /// The item's own id, for logs.
    let item: UInt64
    let site: OpenSite
    let queue: ServedQueue
    /// The site's snapshot when the item was taken.
    let config: ConfigSnapshot
    /// Holds the job's memory.
    let arena: BatchArena
    let job: UnsafeMutablePointer<hostd_job>
    /// Nanoseconds on the monotonic clock.
    let startedNs: Int64
    let deadlineNs: Int64
    let cancelNs: Int64

    /// Guarded by the table's lock.
    var machine = HandlerCallStateMachine()
    /// Guarded by the table's lock.
    var staged: StagedItems?

    /// On the loop: when the plugin was told that the deadline is near; nil = not yet.
    var cancelledNs: Int64?
    /// On the loop: what the item's frame says of its own recipients; nil = not looked at yet.
    var inlineRecipients: InlineRecipients??

    init(
        delivery: UInt64,
        item: UInt64,
        site: OpenSite,
        queue: ServedQueue,
        config: ConfigSnapshot,
        arena: BatchArena,
        job: UnsafeMutablePointer<hostd_job>,
        startedNs: Int64,
        deadlineNs: Int64,
        cancelNs: Int64
    ) {
        self.delivery = delivery
        self.item = item
        self.site = site
        self.queue = queue
        self.config = config
        self.arena = arena
        self.job = job
        self.startedNs = startedNs
        self.deadlineNs = deadlineNs
        self.cancelNs = cancelNs
    }

    var token: hostd_token { job.pointee.token }

    /// When the host's patience ends: at the deadline, but never without the time between a cancel() and it.
    ///
    /// So nobody is blamed for a machine that stood still.
    var overdueNs: Int64 {
        guard let cancelledNs else { return .max }
        return max(deadlineNs, cancelledNs + (deadlineNs - cancelNs))
    }
}

/// A queue that the plugin serves, with its handler's table.
final class ServedQueue: Sendable {
    let descriptor: HandlerDescriptor
    /// Static data of the plugin, which lives for ever.
    nonisolated(unsafe) let handler: UnsafePointer<hostd_handler>
    /// The queue's name where C code may keep it.
    nonisolated(unsafe) let name: hostd_str
    /// Nanoseconds per delivery where the item says nothing.
    let timeoutNs: Int64

    init(descriptor: HandlerDescriptor, handler: UnsafePointer<hostd_handler>, defaultTimeoutMs: Int) {
        self.descriptor = descriptor
        self.handler = handler
        name = .immortal(descriptor.queue.rawValue)
        timeoutNs = Int64(descriptor.timeoutMs > 0 ? descriptor.timeoutMs : defaultTimeoutMs) * 1_000_000
    }

    /// nil where the plugin has none.
    var cancel: (@convention(c) (UnsafeMutableRawPointer?, hostd_token) -> Void)? {
        // HOSTD_HAS: an older plugin's table may end before this field.
        let end = MemoryLayout<hostd_handler>.offset(of: \.cancel).map { $0 + MemoryLayout<UInt>.size } ?? .max
        return Int(handler.pointee.struct_size) >= end ? handler.pointee.cancel : nil
    }
}
