// SPDX-License-Identifier: Apache-2.0

/// `cache:` of hostd.yaml.
package struct CacheConfig: Hashable, Sendable {
    /// memcached; empty = in the worker's own memory.
    package var servers: [HostPort] = []

    package init() {}

    mutating func read(_ section: ConfigSection) {
        section.read("servers", .list(of: .server), into: &servers)
    }
}
