// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc

/// A process's own figures.
enum Vitals {
    static func now(inFlight: Int) -> ChildVitals {
        ChildVitals(residentBytes: residentBytes(), inFlight: inFlight)
    }

    /// The second field of /proc/self/statm, in pages; 0 where it can't be read.
    private static func residentBytes() -> Int {
        let file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return 0 }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 128)
        let count = read(file, &bytes, bytes.count)
        let fields = bytes.prefix(max(0, count)).split(separator: UInt8(ascii: " "))
        guard fields.count > 1, let pages = Int(String(decoding: fields[1], as: UTF8.self)) else { return 0 }
        return pages * Int(getpagesize())
    }
}
