// SPDX-License-Identifier: Apache-2.0
import NIOConcurrencyHelpers
import PluginABI

/// The sites that a plugin has open, by handle; any thread may ask.
///
/// `@unchecked Sendable`: all state is behind the lock.
final class SiteTable: @unchecked Sendable {
    private let lock = NIOLock()
    private var sites = HandleTable<OpenSite>(capacity: 1 << 20)

    subscript(handle: hostd_site) -> OpenSite? { lock.withLock { sites[handle] } }

    /// False where there are more sites than a worker can have (a million).
    func insert(_ site: OpenSite) -> Bool {
        lock.withLock {
            guard let handle = sites.insert(site) else { return false }
            site.handle = handle
            return true
        }
    }

    func remove(_ site: OpenSite) { lock.withLock { _ = sites.remove(site.handle) } }
}
