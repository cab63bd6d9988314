// SPDX-License-Identifier: Apache-2.0

import PluginABI
import PluginKit

// How a fake host calls its plugin. Everything here runs on the host's thread.

extension FakeHost {
    var plugin: UnsafeMutableRawPointer? {
        state.withLock { $0.plugin }.flatMap { UnsafeMutableRawPointer(bitPattern: $0) }
    }

    func pointer(of site: String) -> UnsafeMutableRawPointer? {
        state.withLock { $0.sites[site]?.pointer }.flatMap { UnsafeMutableRawPointer(bitPattern: $0) }
    }

    var handlers: UnsafeBufferPointer<UnsafePointer<hostd_handler>?> {
        UnsafeBufferPointer(start: table.pointee.handlers, count: Int(table.pointee.handler_count))
    }

    func handler(of queue: String) -> UnsafePointer<hostd_handler>? {
        handlers.lazy.compactMap { $0 }.first { String(cString: $0.pointee.queue) == queue }
    }

    func newSnapshot(_ site: String, _ config: [String: String]) -> ConfigSnapshot {
        var values = [
            "site.nickname": site, "site.server": "\(site).example", "site.root": "http://\(site).example/",
            "site.name": "\(site)'s site",
        ]
        let keys = UnsafeRawPointer(table.pointee.config_keys)
        for index in 0..<(keys == nil ? 0 : Int(table.pointee.config_key_count)) {
            let key = keys?.advanced(by: index * Int(table.pointee.config_key_stride))
                .assumingMemoryBound(to: hostd_config_key.self)
            if let key, let value = key.pointee.default_value {
                values[String(cString: key.pointee.name)] = String(cString: value)
            }
        }
        values.merge(config) { $1 }
        return ConfigSnapshot(values, generation: state.withLock { $0.newID() })
    }

    func begin(
        _ item: FakeItem,
        _ site: String,
        _ continuation: CheckedContinuation<FakeDelivery, Never>,
        _ started: (@Sendable (UInt64) -> Void)?
    ) {
        guard let handler = handler(of: item.queue), let handle = handler.pointee.handle else {
            preconditionFailure("the plugin serves no queue \(item.queue)")
        }
        let now = clock.now.milliseconds
        let begun = state.withLock { state -> (token: hostd_token, memory: JobMemory)? in
            guard let open = state.sites[site] else { return nil }
            let token = state.newID()
            let memory = JobMemory(item, token: token, site: open.handle, config: open.config, now: now)
            state.deliveries[token] = FakeHostState.Delivery(
                site: site,
                queue: item.queue,
                memory: memory,
                recipients: item.recipients,
                continuation: continuation
            )
            return (token, memory)
        }
        guard let (token, memory) = begun else { preconditionFailure("the site \(site) isn't open") }
        started?(token)
        var result = hostd_result()
        result.struct_size = structSize(hostd_result.self)
        let code = handle(pointer(of: site), memory.job, &result)
        if code != HOSTD_PENDING { settle(token, result) }
    }

    /// Ends a delivery; false where it has ended before.
    @discardableResult
    func settle(_ token: hostd_token, _ result: hostd_result) -> Bool {
        guard let delivery = state.withLock({ $0.deliveries.removeValue(forKey: token) }) else { return false }
        // As the ABI says: an unknown code is a retry.
        var outcome = Outcome(Outcome.Verdict(rawValue: result.code) ?? .retry)
        outcome.reason = Reason(rawValue: result.reason) ?? .other
        outcome.text = result.text.string
        outcome.delay = result.delay_ms > 0 ? .milliseconds(result.delay_ms) : nil
        outcome.isKept = result.flags & HOSTD_RF_KEEP != 0
        outcome.maybeDelivered = result.flags & HOSTD_RF_MAYBE != 0
        outcome.cursor = [UInt8](result.cursor.bytes)
        outcome.hold = result.hold_ms > 0 ? .milliseconds(result.hold_ms) : nil
        outcome.heldLane = result.lane.len > 0 ? result.lane.string : nil
        let commits = outcome.verdict == .done || outcome.verdict == .continue
        delivery.continuation.resume(returning: FakeDelivery(outcome: outcome, staged: commits ? delivery.staged : []))
        return true
    }

    /// Calls the plugin back, unless the operation was cancelled before.
    func finish(_ operation: hostd_op, _ call: @escaping @Sendable () -> Void) {
        HostThread.post { [self] in
            guard state.withLock({ $0.operations.removeValue(forKey: operation) }) != nil else { return }
            call()
        }
    }
}

/// Calls `body` with an error buffer; the refusal where it returns less than 0.
func reporting(_ body: (UnsafeMutablePointer<CChar>?, Int) -> Int32) -> FakeHost.Refusal? {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { buffer in
        buffer.initialize(repeating: 0)
        guard body(buffer.baseAddress, buffer.count) < 0 else { return nil }
        let text = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return FakeHost.Refusal(description: String(decoding: text, as: UTF8.self))
    }
}
