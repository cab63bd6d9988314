// SPDX-License-Identifier: Apache-2.0

import PluginABI

/// The C table that hostd asks a plugin's file for.
///
/// A plugin's file `Entry.swift` is five lines:
///
/// ```swift
/// import PluginKit
///
/// /// The one symbol that hostd looks up in this file.
/// @c(hostd_plugin_entry_v1) public func entry() -> UnsafeRawPointer { PluginEntry.table(for: WelcomePlugin.self) }
/// ```
public enum PluginEntry {
    /// The table of `type`: built once, never moved, good for ever.
    ///
    /// One file holds one plugin: the first type that is asked for is the one that the table's `init` makes.
    public static func table<P: Plugin>(for type: P.Type) -> UnsafeRawPointer {
        tables.withLock { tables in
            if tables.makeRuntime == nil { tables.select(type) }
            if let table = tables.built[ObjectIdentifier(type)] { return table.pointer }
            let table = Table(pointer: UnsafeRawPointer(build(type)))
            tables.built[ObjectIdentifier(type)] = table
            return table.pointer
        }
    }

    /// Makes `type` the plugin that the next `init` makes: a test process holds several, and C's `init` can't tell which.
    package static func select<P: Plugin>(_ type: P.Type) { tables.withLock { $0.select(type) } }

    private struct Table: Sendable {
        // nonisolated(unsafe): points to memory that is constant once built.
        nonisolated(unsafe) let pointer: UnsafeRawPointer
    }

    private struct Tables {
        var built: [ObjectIdentifier: Table] = [:]
        var makeRuntime: (@HostActor @Sendable (Host) throws -> PluginRuntime)?

        mutating func select<P: Plugin>(_ type: P.Type) {
            makeRuntime = { host in try TypedPluginRuntime(type, host: host) }
        }
    }

    private static let tables = Locked(Tables())

    /// Makes an instance of the plugin.
    @HostActor static func makeRuntime(_ host: Host) throws -> PluginRuntime {
        guard let make = tables.withLock({ $0.makeRuntime }) else {
            throw HostError(.invalid, "init() without a table of PluginEntry's")
        }
        return try make(host)
    }

    private static func build<P: Plugin>(_ type: P.Type) -> UnsafePointer<hostd_plugin> {
        let table = UnsafeMutablePointer<hostd_plugin>.allocate(capacity: 1)
        table.initialize(to: hostd_plugin())
        table.pointee.struct_size = structSize(hostd_plugin.self)
        table.pointee.id = immortalCString(P.identity.id)
        let handlers = P.queues.map { handler($0) }
        table.pointee.handlers = immortal(handlers)
        table.pointee.handler_count = UInt32(handlers.count)
        table.pointee.config_keys = immortal(P.configKeys.map { key($0) })
        table.pointee.config_key_stride = UInt32(MemoryLayout<hostd_config_key>.stride)
        table.pointee.config_key_count = UInt32(P.configKeys.count)
        table.pointee.outputs = immortal(P.outputs.map { Optional(immortalCString($0)) })
        table.pointee.output_count = UInt32(P.outputs.count)
        table.pointee.`init` = initPlugin
        table.pointee.shutdown = shutdownPlugin
        table.pointee.site_open = openSite
        table.pointee.site_reconfigure = reconfigureSite
        table.pointee.site_drain = drainSite
        table.pointee.site_close = closeSite
        return UnsafePointer(table)
    }

    private static func handler<State>(_ queue: ServedQueue<State>) -> UnsafePointer<hostd_handler>? {
        let handler = UnsafeMutablePointer<hostd_handler>.allocate(capacity: 1)
        handler.initialize(to: hostd_handler())
        handler.pointee.struct_size = structSize(hostd_handler.self)
        handler.pointee.flags =
            (queue.takesNotices ? HOSTD_HF_NOTICE : 0) | (queue.takesDeletes ? HOSTD_HF_DELETE : 0)
            | (queue.isSingleton ? HOSTD_HF_SINGLETON : 0) | (queue.isOrdered ? HOSTD_HF_ORDERED : 0)
        handler.pointee.queue = immortalCString(queue.name)
        handler.pointee.group = queue.group == "main" ? nil : immortalCString(queue.group)
        handler.pointee.max_in_flight = UInt32(clamping: queue.maxInFlight)
        handler.pointee.timeout_ms = queue.timeout?.wholeMilliseconds ?? 0
        handler.pointee.max_attempts = UInt32(clamping: queue.maxAttempts ?? 0)
        handler.pointee.handle = handleItem
        handler.pointee.cancel = cancelItem
        return UnsafePointer(handler)
    }

    private static func key(_ key: ConfigKey) -> hostd_config_key {
        hostd_config_key(
            struct_size: structSize(hostd_config_key.self),
            type: key.kind.rawValue,
            flags: (key.isRequired ? HOSTD_KF_REQUIRED : 0) | (key.isSecret ? HOSTD_KF_SECRET : 0),
            reserved0: 0,
            name: immortalCString(key.name),
            default_value: key.defaultValue.map { immortalCString($0) },
            help: immortalCString(key.help)
        )
    }

    private static func immortal<Element>(_ elements: [Element]) -> UnsafePointer<Element>? {
        guard !elements.isEmpty else { return nil }
        let copy = UnsafeMutableBufferPointer<Element>.allocate(capacity: elements.count)
        _ = copy.initialize(from: elements)
        return copy.baseAddress.map { UnsafePointer($0) }
    }
}
