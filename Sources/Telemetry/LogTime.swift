// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A wall-clock time as log lines show it: UTC, RFC 3339, milliseconds.
package struct LogTime: Hashable, Sendable, CustomStringConvertible {
    /// Unix time.
    package let milliseconds: Int64

    package init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    package static func now() -> LogTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return LogTime(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }

    package var description: String {
        // Floor division, so that times before 1970 come out right too.
        let milli = (milliseconds % 1000 + 1000) % 1000
        var seconds = time_t((milliseconds - milli) / 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        let date = "\(padded(parts.tm_year + 1900, 4))-\(padded(parts.tm_mon + 1, 2))-\(padded(parts.tm_mday, 2))"
        let time = "\(padded(parts.tm_hour, 2)):\(padded(parts.tm_min, 2)):\(padded(parts.tm_sec, 2))"
        return "\(date)T\(time).\(padded(Int32(milli), 3))Z"
    }
}

private func padded(_ number: Int32, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
}
