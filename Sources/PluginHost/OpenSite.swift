// SPDX-License-Identifier: Apache-2.0
import PluginABI
import QueueCore

/// A site from before site_open until after site_close.
///
/// `@unchecked Sendable`: on the plugin's loop, but for `name` and `nickname`, which never change, and `state`, which
/// is set before any delivery can be handed to another thread.
final class OpenSite: @unchecked Sendable {
    enum Phase: Equatable {
        /// site_open runs, or failed. Legal: open.
        case opening
        /// Takes deliveries. Legal: draining.
        case open
        /// site_drain was called; deliveries in flight go on. Legal: closed.
        case draining
        case closed
    }

    let nickname: SiteName
    /// The nickname where C code may read it until site_close returns.
    let name: hostd_str
    /// 0 until it is in the table.
    var handle: hostd_site = 0
    var settings: SiteSettings
    var config: ConfigSnapshot
    /// The plugin's own.
    var state: UnsafeMutableRawPointer?
    var phase = Phase.opening
    /// The plugin said drained().
    var isDrained = false
    /// Deliveries of this site that are not finished.
    var inFlight = 0
    /// Monotonic milliseconds; set by the drain.
    var drainDeadlineMs = Int64.max
    /// Called once, when the drain is over and the site is closed.
    var closed: [() -> Void] = []

    init(_ settings: SiteSettings) {
        nickname = settings.nickname
        self.settings = settings
        config = ConfigSnapshot(settings, generation: 1)
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 1)
        bytes.copyBytes(from: nickname.rawValue.utf8)
        name = hostd_str(
            ptr: UnsafePointer(bytes.baseAddress?.assumingMemoryBound(to: CChar.self)),
            len: nickname.rawValue.utf8.count
        )
    }

    deinit {
        UnsafeMutableRawPointer(mutating: name.ptr)?.deallocate()
    }
}
