// SPDX-License-Identifier: Apache-2.0

import PluginABI

/// A site that enables this plugin, from its opening to its close, and what the host does in its name.
@HostActor
public final class Site {
    /// The host.
    public let host: Host
    /// The site's nickname.
    public let name: String
    /// Those of the plugin's queues whose items come to this worker: connect only if one of them needs it.
    public let queues: [String]
    /// The newest configuration; an item has the one of its time (``Item/config``).
    public internal(set) var config: SiteConfig
    let handle: hostd_site

    init(_ opening: UnsafePointer<hostd_site_opening>, host: Host) {
        self.host = host
        handle = opening.pointee.site
        var name = hostd_str()
        let status = host.table.pointee.site_name?(host.table, handle, &name) ?? HOSTD_E_UNSUPPORTED
        self.name = status == HOSTD_OK ? name.string : ""
        queues = UnsafeBufferPointer(start: opening.pointee.queues, count: opening.pointee.queue_count).map(\.string)
        config = SiteConfig(opening.pointee.config, host: host)
    }

    /// Log lines with this site's name.
    public nonisolated var log: Log { Log(host: host, site: handle, token: 0) }
}

/// An immutable snapshot of a site's configuration: this plugin's keys, as the host has checked them.
///
/// Sendable: the host says that a snapshot never changes and may be read from any thread.
public final class SiteConfig: Sendable {
    private let host: Host
    // nonisolated(unsafe): an opaque handle to the host's immutable memory, which this object retains.
    nonisolated(unsafe) let snapshot: OpaquePointer?

    init(_ snapshot: OpaquePointer?, host: Host) {
        self.host = host
        self.snapshot = snapshot
        if let snapshot { host.table.pointee.config_retain?(host.table, snapshot) }
    }

    deinit {
        if let snapshot { host.table.pointee.config_release?(host.table, snapshot) }
    }

    /// A key's text; nil where the site hasn't set it and it has no default.
    public func string(_ key: String) -> String? {
        guard let snapshot, let get = host.table.pointee.config_get else { return nil }
        var value = hostd_str()
        let status = key.withSlice { get(host.table, snapshot, $0, &value) }
        return status == HOSTD_OK ? value.string : nil
    }

    /// A key's whole number.
    public func int(_ key: String) -> Int? { string(key).flatMap { Int($0) } }

    /// A key's truth.
    public func bool(_ key: String) -> Bool? { string(key).flatMap { Bool($0) } }

    /// A key's list; empty where there is none.
    public func list(_ key: String) -> [String] {
        string(key)?.split(separator: "\n").map { String($0) } ?? []
    }

    /// The site's URL, with a slash at its end.
    public var root: String { string("site.root") ?? "" }
    /// The site's host name.
    public var server: String { string("site.server") ?? "" }
    /// The site's name, for people.
    public var title: String { string("site.name") ?? "" }
    /// The site's nickname.
    public var nickname: String { string("site.nickname") ?? "" }
    /// Grows with each new configuration of the site.
    public var generation: UInt64 {
        snapshot.flatMap { host.table.pointee.config_generation?(host.table, $0) } ?? 0
    }
}
