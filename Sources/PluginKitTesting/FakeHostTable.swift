// SPDX-License-Identifier: Apache-2.0

import PluginABI
import PluginKit

/// The C table that a fake host hands to its plugin.
///
/// What the ABI marks [any] may come from any thread.
enum FakeHostTable {
    /// Never freed, and neither is the host: a plugin may keep the pointer until its process ends.
    static func make(for host: FakeHost) -> UnsafePointer<hostd_host> {
        let table = UnsafeMutablePointer<hostd_host>.allocate(capacity: 1)
        table.initialize(to: hostd_host())
        table.pointee.struct_size = structSize(hostd_host.self)
        table.pointee.abi_major = UInt16(HOSTD_ABI_MAJOR)
        table.pointee.abi_minor = UInt16(HOSTD_BUILT_MINOR)
        table.pointee.version = immortalCString("hostd, fake")
        table.pointee.impl = Unmanaged.passRetained(host).toOpaque()
        table.pointee.get_extension = { host, id in
            guard let id, let service = Host.Service(rawValue: String(cString: id)) else { return nil }
            guard !FakeHostTable.fake(host).state.withLock({ $0.lacking.contains(service) }) else { return nil }
            return FakeExtensions.table(of: service)
        }
        table.pointee.log_enabled = { _, _ in 1 }
        table.pointee.log = { host, level, _, _, message, fields, count in
            let pairs = UnsafeBufferPointer(start: fields, count: count).map { ($0.key.string, $0.value.string) }
            let line = FakeHost.LogLine(
                level: Int(level),
                message: message.string,
                fields: Dictionary(pairs) { $1 }
            )
            FakeHostTable.fake(host).state.withLock { $0.log.append(line) }
        }
        table.pointee.post = { _, function, user in
            guard let function else { return HOSTD_E_INVAL }
            let callback = Callback(function: function, user: user)
            HostThread.post { callback.function(callback.user) }
            return HOSTD_OK
        }
        table.pointee.now_ms = { host, _ in FakeHostTable.fake(host).clock.now.milliseconds }
        addItems(to: &table.pointee)
        addSites(to: &table.pointee)
        return UnsafePointer(table)
    }

    static func fake(_ host: UnsafePointer<hostd_host>?) -> FakeHost {
        guard let implementation = host?.pointee.impl else { preconditionFailure("the plugin passed no host") }
        return Unmanaged<FakeHost>.fromOpaque(implementation).takeUnretainedValue()
    }

    private static func addItems(to table: inout hostd_host) {
        table.complete = { host, token, result in
            guard let result else { return HOSTD_E_INVAL }
            return FakeHostTable.fake(host).settle(token, result.pointee) ? HOSTD_OK : HOSTD_E_STALE
        }
        table.stage = { host, token, items, stride, count in
            let staged = FakeItem.copy(items, stride: stride, count: count)
            return FakeHostTable.fake(host).state.withLock { state in
                guard let delivery = state.deliveries[token] else { return HOSTD_E_STALE }
                guard delivery.staged.count + count <= 1000 else { return HOSTD_E_LIMIT }
                state.deliveries[token]?.staged += staged
                return HOSTD_OK
            }
        }
        table.enqueue = { host, site, items, stride, count, function, user in
            guard let function else { return hostd_op(HOSTD_E_INVAL) }
            let new = FakeItem.copy(items, stride: stride, count: count)
            let fake = FakeHostTable.fake(host)
            let operation = fake.state.withLock { $0.addOperation(site) }
            let callback = Callback(function: function, user: user)
            fake.finish(operation) {
                fake.state.withLock { $0.enqueued += new }
                callback.function(callback.user, operation, HOSTD_OK)
            }
            return operation
        }
        table.hold = { host, _, queue, lane, milliseconds, _ in
            let held = (queue: queue.string, lane: lane.string, duration: Duration.milliseconds(milliseconds))
            FakeHostTable.fake(host).state.withLock { $0.holds.append(held) }
            return HOSTD_OK
        }
        table.cancel = { host, operation in
            let fake = FakeHostTable.fake(host)
            guard let ended = fake.state.withLock({ $0.operations.removeValue(forKey: operation) }) else {
                return HOSTD_E_STALE
            }
            if let timer = ended.timer { fake.clock.remove(timer) }
            fake.state.withLock { $0.watches[operation] = nil }
            return HOSTD_OK
        }
    }

    private static func addSites(to table: inout hostd_host) {
        table.config_get = { _, config, key, value in
            guard let config, let value else { return HOSTD_E_INVAL }
            let found = ConfigSnapshot.from(config).takeUnretainedValue().value(key.string)
            value.pointee = found ?? hostd_str()
            return found == nil ? HOSTD_E_NOTFOUND : HOSTD_OK
        }
        table.config_generation = { _, config in
            config.map { ConfigSnapshot.from($0).takeUnretainedValue().generation } ?? 0
        }
        table.config_retain = { _, config in
            if let config { _ = ConfigSnapshot.from(config).retain() }
        }
        table.config_release = { _, config in
            if let config { ConfigSnapshot.from(config).release() }
        }
        table.site_name = { host, site, name in
            guard let name else { return HOSTD_E_INVAL }
            let text = FakeHostTable.fake(host).state.withLock { $0.sites.values.first { $0.handle == site }?.name }
            guard let text, let pointer = UnsafePointer<CChar>(bitPattern: text) else { return HOSTD_E_STALE }
            name.pointee = hostd_str(ptr: pointer, len: String(cString: pointer).utf8.count)
            return HOSTD_OK
        }
        table.drained = { host, site in
            let waiting = FakeHostTable.fake(host).state.withLock { state -> CheckedContinuation<Void, Never>? in
                guard let name = state.siteName(site) else { return nil }
                defer { state.sites[name]?.drained = nil }
                return state.sites[name]?.drained
            }
            waiting?.resume()
            return waiting == nil ? HOSTD_E_STALE : HOSTD_OK
        }
    }
}
