// SPDX-License-Identifier: Apache-2.0
import PluginABI

/// The C table of host calls that one plugin gets: thin global functions that find the instance through `impl` and call
/// its method of the same name (`PluginInstance+HostCalls.swift`).
///
/// Which thread may call what: hostd_plugin.h.
enum HostTable {
    /// Allocated once and never freed, with a reference to the instance: a plugin may hold it for ever.
    static func make(for instance: PluginInstance) -> UnsafePointer<hostd_host> {
        let table = UnsafeMutablePointer<hostd_host>.allocate(capacity: 1)
        table.initialize(to: hostd_host())
        table.pointee.struct_size = UInt32(MemoryLayout<hostd_host>.size)
        table.pointee.abi_major = UInt16(HOSTD_ABI_MAJOR)
        table.pointee.abi_minor = UInt16(HOSTD_BUILT_MINOR)
        // With the NUL that `const char *` wants.
        table.pointee.version = hostd_str.immortal(instance.settings.hostVersion + "\0").ptr
        table.pointee.impl = Unmanaged.passRetained(instance).toOpaque()
        table.pointee.get_extension = { ExtensionTables.find($1) }
        table.pointee.log = { HostTable.instance($0)?.log($1, $2, $3, $4, $5, $6) }
        table.pointee.log_enabled = { HostTable.instance($0)?.log.isEnabled($1) == true ? 1 : 0 }
        table.pointee.post = { HostTable.instance($0)?.post($1, $2) ?? HOSTD_E_INVAL }
        table.pointee.complete = { HostTable.instance($0)?.complete($1, $2) ?? HOSTD_E_INVAL }
        table.pointee.stage = { HostTable.instance($0)?.stage($1, $2, $3, $4) ?? HOSTD_E_INVAL }
        table.pointee.enqueue = { HostTable.instance($0)?.enqueue($1, $2, $3, $4, $5, $6) ?? hostd_op(HOSTD_E_INVAL) }
        table.pointee.config_get = { _, config, key, value in HostTable.configGet(config, key, value) }
        table.pointee.config_generation = { _, config in
            config.map { ConfigSnapshot.at($0).takeUnretainedValue().generation } ?? 0
        }
        table.pointee.config_retain = { _, config in if let config { _ = ConfigSnapshot.at(config).retain() } }
        table.pointee.config_release = { _, config in if let config { ConfigSnapshot.at(config).release() } }
        table.pointee.site_name = { HostTable.instance($0)?.siteName($1, $2) ?? HOSTD_E_INVAL }
        table.pointee.drained = { HostTable.instance($0)?.drained($1) ?? HOSTD_E_INVAL }
        table.pointee.cancel = { HostTable.instance($0)?.cancel(operation: $1) ?? HOSTD_E_INVAL }
        table.pointee.now_ms = { $1 != 0 ? HostClock.monotonicMs() : HostClock.unixMs() }
        table.pointee.hold = { HostTable.instance($0)?.hold($1, $2, $3, $4, $5) ?? HOSTD_E_INVAL }
        return UnsafePointer(table)
    }

    static func instance(_ host: UnsafePointer<hostd_host>?) -> PluginInstance? {
        guard let impl = host?.pointee.impl else { return nil }
        return Unmanaged<PluginInstance>.fromOpaque(impl).takeUnretainedValue()
    }

    private static func configGet(
        _ config: OpaquePointer?,
        _ key: hostd_str,
        _ value: UnsafeMutablePointer<hostd_str>?
    ) -> Int32 {
        guard let config, let value else { return HOSTD_E_INVAL }
        guard let found = ConfigSnapshot.at(config).takeUnretainedValue()[key] else {
            value.pointee = .empty
            return HOSTD_E_NOTFOUND
        }
        value.pointee = found
        return HOSTD_OK
    }
}
