// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A process that runs, told from a later one of the same pid by the moment of its start.
struct RunningProcess: Equatable {
    let pid: Int32
    /// Clock ticks since boot.
    let started: String

    /// nil where there is none, or none that still runs: one that ended and wasn't reaped yet holds nothing any more.
    init?(pid: Int32) {
        guard let fields = Self.fields(of: pid), fields.count > 19, fields[0] != "Z", fields[0] != "X" else {
            return nil
        }
        self.pid = pid
        started = fields[19]
    }

    var isRunning: Bool { RunningProcess(pid: pid) == self }

    /// Of /proc/PID/stat, from the state on (proc(5): the third): what stands before may have blanks in it.
    private static func fields(of pid: Int32) -> [String]? {
        let descriptor = open("/proc/\(pid)/stat", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = read(descriptor, &bytes, bytes.count)
        guard count > 0, let end = bytes[..<count].lastIndex(of: UInt8(ascii: ")")) else { return nil }
        return String(decoding: bytes[(end + 1)..<count], as: UTF8.self).split { $0 == " " || $0 == "\n" }.map(
            String.init
        )
    }
}
