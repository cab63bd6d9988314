// SPDX-License-Identifier: Apache-2.0

import PluginABI

/// The host that loaded this plugin, and what it offers to the plugin as a whole.
///
/// Made once per worker before ``Plugin/init(host:)``. Sendable: the table it points to never changes, and lives until
/// shutdown() has returned.
public final class Host: Sendable {
    /// A part of the host that an older or smaller host may lack.
    public enum Service: String, Sendable, CaseIterable {
        /// ``Site/http``
        case http = "hostd.http/1"
        /// ``Site/timers`` and ``Site/descriptors``
        case loop = "hostd.loop/1"
        /// ``Site/recipients``
        case recipients = "hostd.recipients/1"
        /// ``Site/values``
        case values = "hostd.kv/1"
        /// ``Site/streams``
        case stream = "hostd.stream/1"
        /// ``Site/cache``
        case cache = "hostd.cache/1"
        /// ``Host/counter(_:help:)`` and its like
        case metrics = "hostd.metrics/1"
    }

    // nonisolated(unsafe): tables of the host are written before init() and constant from then on (hostd_plugin.h).
    nonisolated(unsafe) let table: UnsafePointer<hostd_host>
    nonisolated(unsafe) let http: UnsafePointer<hostd_http>?
    nonisolated(unsafe) let loop: UnsafePointer<hostd_loop>?
    nonisolated(unsafe) let recipients: UnsafePointer<hostd_recipients>?
    nonisolated(unsafe) let values: UnsafePointer<hostd_kv_store>?
    nonisolated(unsafe) let stream: UnsafePointer<hostd_stream>?
    nonisolated(unsafe) let cache: UnsafePointer<hostd_cache>?
    nonisolated(unsafe) let metrics: UnsafePointer<hostd_metrics>?

    init(_ table: UnsafePointer<hostd_host>) {
        func find<Table>(_ service: Service) -> UnsafePointer<Table>? {
            guard let getExtension = table.pointee.get_extension else { return nil }
            return service.rawValue.withCString { getExtension(table, $0) }?.assumingMemoryBound(to: Table.self)
        }
        self.table = table
        http = find(.http)
        loop = find(.loop)
        recipients = find(.recipients)
        values = find(.values)
        stream = find(.stream)
        cache = find(.cache)
        metrics = find(.metrics)
    }

    /// The host's name and version, for logs; never to be parsed.
    public var version: String { table.pointee.version.map { String(cString: $0) } ?? "" }

    /// Whether the host has a service.
    public func provides(_ service: Service) -> Bool {
        switch service {
        case .http: http != nil
        case .loop: loop != nil
        case .recipients: recipients != nil
        case .values: values != nil
        case .stream: stream != nil
        case .cache: cache != nil
        case .metrics: metrics != nil
        }
    }

    /// Throws, with a sentence for the operator, unless the host has all of `services`.
    public func require(_ services: Service...) throws(HostError) {
        for service in services where !provides(service) {
            throw HostError(.unsupported, "\(service.rawValue) (this host, \(version), lacks it)")
        }
    }

    /// The time by the host's clock.
    public var now: UnixTime { UnixTime(milliseconds: table.pointee.now_ms?(table, 0) ?? 0) }

    /// Milliseconds on the monotonic clock, as deadlines are.
    var monotonicNow: Int64 { table.pointee.now_ms?(table, 1) ?? 0 }

    /// Log lines that concern no site.
    public var log: Log { Log(host: self, site: 0, token: 0) }
}

/// A moment, by the clock on the wall.
public struct UnixTime: Sendable, Hashable, Comparable {
    /// Milliseconds since 1970.
    public var milliseconds: Int64

    /// A moment by its number.
    public init(milliseconds: Int64) { self.milliseconds = milliseconds }

    /// Whole seconds since 1970.
    public var seconds: Int64 { milliseconds / 1000 }

    /// Which comes first.
    public static func < (left: UnixTime, right: UnixTime) -> Bool { left.milliseconds < right.milliseconds }

    /// A moment later by `duration`.
    public static func + (time: UnixTime, duration: Duration) -> UnixTime {
        UnixTime(milliseconds: time.milliseconds + Int64(duration.wholeMilliseconds))
    }
}
