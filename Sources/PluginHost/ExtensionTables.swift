// SPDX-License-Identifier: Apache-2.0
import PluginABI

#if canImport(Glibc)
import Glibc
#endif

/// The tables behind get_extension(): one of each for the whole process, since every call names its host table.
///
/// `nonisolated(unsafe)`: filled once, on first use, and never changed.
enum ExtensionTables {
    /// nil for what this host doesn't have.
    static func find(_ id: UnsafePointer<CChar>?) -> UnsafeRawPointer? {
        guard let id else { return nil }
        return switch String(cString: id) {
        case HOSTD_EXT_HTTP: UnsafeRawPointer(http)
        case HOSTD_EXT_LOOP: UnsafeRawPointer(loop)
        case HOSTD_EXT_RECIPIENTS: UnsafeRawPointer(recipients)
        case HOSTD_EXT_KV: UnsafeRawPointer(keyValues)
        case HOSTD_EXT_STREAM: UnsafeRawPointer(stream)
        case HOSTD_EXT_CACHE: UnsafeRawPointer(cache)
        case HOSTD_EXT_METRICS: UnsafeRawPointer(metrics)
        default: nil
        }
    }

    private static func place<Table>(_ table: Table) -> UnsafePointer<Table> {
        let pointer = UnsafeMutablePointer<Table>.allocate(capacity: 1)
        pointer.initialize(to: table)
        return UnsafePointer(pointer)
    }

    private static let invalid = hostd_op(HOSTD_E_INVAL)

    nonisolated(unsafe) private static let http = place(
        hostd_http(
            struct_size: UInt32(MemoryLayout<hostd_http>.size),
            reserved0: 0,
            send: { HostTable.instance($0)?.httpSend($1, $2, $3) ?? ExtensionTables.invalid }
        )
    )

    nonisolated(unsafe) private static let loop = place(
        hostd_loop(
            struct_size: UInt32(MemoryLayout<hostd_loop>.size),
            reserved0: 0,
            timer: { HostTable.instance($0)?.timer($1, $2, $3, $4, $5) ?? ExtensionTables.invalid },
            watch: { HostTable.instance($0)?.watch($1, $2, $3, $4, $5) ?? ExtensionTables.invalid },
            rewatch: { HostTable.instance($0)?.rewatch($1, $2) ?? HOSTD_E_INVAL }
        )
    )

    nonisolated(unsafe) private static let recipients = place(
        hostd_recipients(
            struct_size: UInt32(MemoryLayout<hostd_recipients>.size),
            reserved0: 0,
            page: { HostTable.instance($0)?.recipientsPage($1, $2, $3, $4, $5, $6, $7) ?? ExtensionTables.invalid },
            get: { HostTable.instance($0)?.recipientsGet($1, $2, $3, $4, $5, $6) ?? ExtensionTables.invalid },
            put: { HostTable.instance($0)?.recipientsPut($1, $2, $3, $4) ?? ExtensionTables.invalid },
            remove: { HostTable.instance($0)?.recipientsRemove($1, $2, $3, $4, $5, $6, $7) ?? ExtensionTables.invalid }
        )
    )

    nonisolated(unsafe) private static let keyValues = place(
        hostd_kv_store(
            struct_size: UInt32(MemoryLayout<hostd_kv_store>.size),
            reserved0: 0,
            get: { HostTable.instance($0)?.keyValueGet($1, $2, $3, $4) ?? ExtensionTables.invalid },
            put: { HostTable.instance($0)?.keyValuePut($1, $2, $3, $4, $5, $6, $7) ?? ExtensionTables.invalid }
        )
    )

    nonisolated(unsafe) private static let stream = place(
        hostd_stream(
            struct_size: UInt32(MemoryLayout<hostd_stream>.size),
            reserved0: 0,
            connect: { HostTable.instance($0)?.streamConnect($1, $2, $3) ?? ExtensionTables.invalid },
            pause: { HostTable.instance($0)?.streamPause($1, $2) ?? HOSTD_E_INVAL },
            start_tls: { HostTable.instance($0)?.streamStartTLS($1) ?? HOSTD_E_INVAL },
            write: { HostTable.instance($0)?.streamWrite($1, $2) ?? HOSTD_E_INVAL },
            close: { HostTable.instance($0)?.streamClose($1) ?? HOSTD_E_INVAL }
        )
    )

    nonisolated(unsafe) private static let cache = place(
        hostd_cache(
            struct_size: UInt32(MemoryLayout<hostd_cache>.size),
            reserved0: 0,
            get: { HostTable.instance($0)?.cacheGet($1, $2, $3, $4) ?? ExtensionTables.invalid },
            set: { HostTable.instance($0)?.cacheSet($1, $2, $3, $4, $5, $6, $7) ?? ExtensionTables.invalid },
            increment: {
                HostTable.instance($0)?.cacheIncrement($1, $2, $3, $4, $5, $6, $7) ?? ExtensionTables.invalid
            },
            remove: { HostTable.instance($0)?.cacheRemove($1, $2, $3, $4) ?? ExtensionTables.invalid }
        )
    )

    nonisolated(unsafe) private static let metrics = place(
        hostd_metrics(
            struct_size: UInt32(MemoryLayout<hostd_metrics>.size),
            reserved0: 0,
            define: { HostTable.instance($0)?.metricsDefine($1, $2, $3, $4) ?? HOSTD_E_INVAL },
            record: { HostTable.instance($0)?.metricsRecord($1, $2, $3) ?? HOSTD_E_INVAL }
        )
    )
}
