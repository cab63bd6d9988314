// SPDX-License-Identifier: Apache-2.0
package import Glibc

/// How much memory a process really has, from /proc: also one that hangs.
package enum ResidentMemory {
    /// Of this process, or of another; nil where that is gone.
    package static func bytes(of pid: pid_t = getpid()) -> Int? {
        let file = open("/proc/\(pid)/statm", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var text = [UInt8](repeating: 0, count: 128)
        let count = read(file, &text, text.count)
        guard count > 0 else { return nil }
        // proc(5): size, resident, ... in pages.
        let fields = String(decoding: text[..<count], as: UTF8.self).split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else { return nil }
        return pages * sysconf(Int32(_SC_PAGESIZE))
    }
}
