// SPDX-License-Identifier: Apache-2.0
import Logging
import NIOCore
import PluginABI
import QueueCore

// The host calls of the core table, in its order. [any] = any thread, [serial] = on the loop.
extension PluginInstance {
    /// nil where a [serial] host call may go on; else what it returns.
    func refusal(for site: hostd_site = 0) -> Int32? {
        guard loop.inEventLoop else { return HOSTD_E_THREAD }
        guard phase != .ended, !log.isClosed else { return HOSTD_E_CLOSED }
        return site == 0 || siteTable[site] != nil ? nil : HOSTD_E_STALE
    }

    // [any]
    func log(
        _ level: Int32,
        _ site: hostd_site,
        _ token: hostd_token,
        _ message: hostd_str,
        _ fields: UnsafePointer<hostd_kv>?,
        _ count: Int
    ) {
        guard log.isEnabled(level) else { return }
        var known: Logger.Metadata = [:]
        if let call = deliveries[token] {
            known["site"] = "\(call.site.nickname)"
            known["queue"] = "\(call.queue.descriptor.queue)"
            known["item"] = "\(call.item)"
        } else if let site = siteTable[site] {
            known["site"] = "\(site.nickname)"
        }
        log.write(level, message, UnsafeBufferPointer(start: fields, count: fields == nil ? 0 : count), known)
    }

    // [any]
    func post(_ function: hostd_fn?, _ user: UnsafeMutableRawPointer?) -> Int32 {
        guard let function else { return HOSTD_E_INVAL }
        guard !log.isClosed else { return HOSTD_E_CLOSED }
        // The pointer is the plugin's; the host only passes it back.
        nonisolated(unsafe) let user = user
        loop.execute {
            // shutdown() may have come in between.
            guard self.phase != .ended else { return }
            self.enter(.callback) { function(user) }
        }
        return HOSTD_OK
    }

    // [any]
    func stage(_ token: hostd_token, _ items: UnsafePointer<hostd_item>?, _ stride: Int, _ count: Int) -> Int32 {
        deliveries.stage(token) { $0.add(items, stride: stride, count: count, queueNamed: knownQueue) }
    }

    /// Only queues that the plugin declared: a typing error mustn't fill a queue that nobody handles.
    private func knownQueue(_ name: hostd_str) -> QueueName? {
        knownQueues.first { $0.text.equals(name) }?.name
    }

    // [serial]
    func enqueue(
        _ site: hostd_site,
        _ items: UnsafePointer<hostd_item>?,
        _ stride: Int,
        _ count: Int,
        _ function: hostd_status_fn?,
        _ user: UnsafeMutableRawPointer?
    ) -> hostd_op {
        if let refusal = refusal(for: site) { return hostd_op(refusal) }
        guard let site = siteTable[site], count > 0 else { return hostd_op(HOSTD_E_INVAL) }
        var new = StagedItems()
        let status = new.add(items, stride: stride, count: count, queueNamed: knownQueue)
        guard status == HOSTD_OK else { return hostd_op(status) }
        let operation = PlainOperation(site: site.handle)
        let op = operations.insert(operation)
        guard op > 0 else { return op }
        sink.enqueue(site: site.nickname, new.items) { error in
            guard self.operations.finish(op) else { return }
            if let error {
                self.log.host(
                    .warning,
                    "items of the plugin were not enqueued",
                    ["error": "\(error)", "site": "\(site.nickname)"]
                )
            }
            guard let function else { return }
            self.callBack { function(user, op, error == nil ? HOSTD_OK : HOSTD_E_FAIL) }
        }
        return op
    }

    // [any]
    func siteName(_ handle: hostd_site, _ name: UnsafeMutablePointer<hostd_str>?) -> Int32 {
        guard let name else { return HOSTD_E_INVAL }
        name.pointee = siteTable[handle]?.name ?? .empty
        return name.pointee.isEmpty ? HOSTD_E_STALE : HOSTD_OK
    }

    // [any]
    func drained(_ handle: hostd_site) -> Int32 {
        guard let site = siteTable[handle] else { return HOSTD_E_STALE }
        if loop.inEventLoop {
            return noteDrained(site)
        }
        loop.execute { _ = self.noteDrained(site) }
        return HOSTD_OK
    }

    private func noteDrained(_ site: OpenSite) -> Int32 {
        guard site.phase == .draining else { return HOSTD_E_INVAL }
        site.isDrained = true
        closeIfIdle(site)
        return HOSTD_OK
    }

    // [serial]
    func cancel(operation: hostd_op) -> Int32 {
        guard loop.inEventLoop else { return HOSTD_E_THREAD }
        guard let taken = operations.take(operation) else { return HOSTD_E_STALE }
        taken.abandon()
        return HOSTD_OK
    }

    // [any]
    func hold(_ handle: hostd_site, _ queue: hostd_str, _ lane: hostd_str, _ ms: UInt32, _ text: hostd_str) -> Int32 {
        guard let site = siteTable[handle] else { return HOSTD_E_STALE }
        guard let queue = knownQueue(queue) else { return HOSTD_E_INVAL }
        let lane = lane.text(limit: 2048)
        let text = text.text(limit: Int(HOSTD_MAX_TEXT))
        if loop.inEventLoop {
            sink.hold(site: site.nickname, queue: queue, lane: lane, ms: ms, text: text)
        } else {
            loop.execute { self.sink.hold(site: site.nickname, queue: queue, lane: lane, ms: ms, text: text) }
        }
        return HOSTD_OK
    }
}

/// An operation that holds nothing: its table entry is all there is to it.
final class PlainOperation: PluginOperation {
    let site: hostd_site
    init(site: hostd_site) { self.site = site }
    func abandon() {}
}
