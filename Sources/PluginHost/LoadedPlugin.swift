// SPDX-License-Identifier: Apache-2.0
import Glibc
package import PluginABI
import PluginFiles
package import QueueCore

/// A plugin's code, mapped into this process for good, with its table checked and what it says of itself copied out.
///
/// Made in a probe or a worker, never in the supervisor: its constructors run here. Never unloaded, since threads, atexit
/// handlers and Swift's metadata may point into it: an upgrade is a new process.
package final class LoadedPlugin: Sendable {
    package let descriptor: PluginDescriptor
    // Unsafe: static data of an image that is never unmapped; the ABI forbids the plugin to change it.
    package nonisolated(unsafe) let table: UnsafePointer<hostd_plugin>

    /// `path` is absolute; the file is checked again (step 1), which is cheap and needs no trust in the caller.
    package init(path: String, expectedID: String? = nil) throws(PluginLoadError) {
        let note = try Self.note(path)
        if let expectedID, note.id != expectedID { throw .unexpectedID(found: note.id, wanted: expectedID) }
        // RTLD_LOCAL: two plugins' symbols never meet. NODELETE: see above. A path with a slash is never searched for.
        guard path.hasPrefix("/"), let image = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) else {
            throw .dlopen(
                path.hasPrefix("/") ? dlerror().map { String(cString: $0) } ?? "failed" : "not an absolute path"
            )
        }
        guard let symbol = dlsym(image, HOSTD_ENTRY_SYMBOL) else { throw .noEntry }
        // Unsafe: the symbol's name carries the ABI's major, and with it the type.
        guard let entry = unsafeBitCast(symbol, to: hostd_entry_fn?.self), let table = entry() else { throw .noTable }
        self.table = table
        descriptor = try DescriptorReader.read(table, note: note)
    }

    private static func note(_ path: String) throws(PluginLoadError) -> PluginNote {
        do throws(PluginRefusal) {
            return try PluginImage(path: path).note
        } catch {
            throw .file(error)
        }
    }
}
