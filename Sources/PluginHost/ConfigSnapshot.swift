// SPDX-License-Identifier: Apache-2.0
import PluginABI
package import QueueCore

#if canImport(Glibc)
import Glibc
#endif

/// A site as a plugin may know it.
package struct SiteSettings: Hashable, Sendable {
    package var nickname: SiteName
    package var server: String
    package var name: String
    /// URL with a slash at the end.
    package var root: String
    /// The plugin's keys, checked, defaults filled in.
    ///
    /// May hold secrets: never log this.
    package var values: [String: String]

    package init(nickname: SiteName, server: String, name: String, root: String, values: [String: String]) {
        self.nickname = nickname
        self.server = server
        self.name = name
        self.root = root
        self.values = values
    }
}

/// What stands behind a `hostd_config`: a site's settings at one moment, immutable, where C code can read them.
///
/// Counted by ARC: the host holds one reference while the snapshot is in force or a delivery uses it, the plugin one per
/// config_retain. `@unchecked Sendable`: never changes after init.
final class ConfigSnapshot: @unchecked Sendable {
    let generation: UInt64
    private let entries: [(key: hostd_str, value: hostd_str)]
    private let memory: UnsafeMutableRawPointer

    init(_ site: SiteSettings, generation: UInt64) {
        self.generation = generation
        var pairs = site.values
        pairs["site.nickname"] = site.nickname.rawValue
        pairs["site.server"] = site.server
        pairs["site.root"] = site.root
        pairs["site.name"] = site.name
        let size = pairs.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        let memory = UnsafeMutableRawPointer.allocate(byteCount: max(size, 1), alignment: 1)
        var offset = 0
        func place(_ text: String) -> hostd_str {
            let start = memory + offset
            let count = text.utf8.count
            UnsafeMutableRawBufferPointer(start: start, count: count).copyBytes(from: text.utf8)
            offset += count
            return hostd_str(ptr: UnsafePointer(start.assumingMemoryBound(to: CChar.self)), len: count)
        }
        entries = pairs.map { (place($0.key), place($0.value)) }
        self.memory = memory
    }

    deinit {
        memory.deallocate()
    }

    subscript(key: hostd_str) -> hostd_str? {
        // A handful of keys: faster than making a String of the key to hash it.
        entries.first { $0.key.equals(key) }?.value
    }

    /// As the ABI names it; the reference is the caller's.
    var opaque: OpaquePointer { OpaquePointer(Unmanaged.passUnretained(self).toOpaque()) }

    /// A pointer that came back from a plugin.
    ///
    /// It can't be checked: a plugin that makes one up reads wild memory, as with any pointer.
    static func at(_ pointer: OpaquePointer) -> Unmanaged<ConfigSnapshot> { .fromOpaque(UnsafeRawPointer(pointer)) }
}
