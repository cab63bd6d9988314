// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#endif

/// The Retry-After header (RFC 9110, 10.2.3): seconds, or an HTTP date in any of its three forms (5.6.7).
enum RetryAfter {
    /// Milliseconds from now, at most a week; 0 where there is nothing to wait for or it can't be understood.
    static func milliseconds(_ value: String, nowUnixMs: Int64) -> UInt32 {
        let text = value.trimmingSpaces
        let most: Int64 = 7 * 86_400_000
        if !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            guard let seconds = Int64(text), seconds < most / 1000 else { return UInt32(most) }
            return UInt32(seconds * 1000)
        }
        guard let date = unixSeconds(text) else { return 0 }
        return UInt32(min(max(0, date * 1000 - nowUnixMs), most))
    }

    private static let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]

    /// `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT`, `Sun Nov  6 08:49:37 1994`.
    private static func unixSeconds(_ text: Substring) -> Int64? {
        let parts = text.lowercased().split { " ,-".contains($0) }
        guard parts.count >= 5, let clock = parts.first(where: { $0.contains(":") }) else { return nil }
        let isAsctime = months.contains(String(parts[1]))
        let (day, month, year) = isAsctime ? (parts[2], parts[1], parts[4]) : (parts[1], parts[2], parts[3])
        guard let dayNumber = Int32(day), (1...31).contains(dayNumber),
            let monthIndex = months.firstIndex(of: String(month)),
            var yearNumber = Int32(year), (0...9999).contains(yearNumber)
        else { return nil }
        // Two digits: in this century, unless that is more than 50 years ahead.
        if yearNumber < 100 { yearNumber += yearNumber < 77 ? 2000 : 1900 }
        let time = clock.split(separator: ":").compactMap { Int32($0) }
        guard time.count == 3, (0...23).contains(time[0]), (0...59).contains(time[1]), (0...60).contains(time[2]) else {
            return nil
        }
        var broken = tm()
        broken.tm_year = yearNumber - 1900
        broken.tm_mon = Int32(monthIndex)
        broken.tm_mday = dayNumber
        broken.tm_hour = time[0]
        broken.tm_min = time[1]
        broken.tm_sec = time[2]
        return Int64(timegm(&broken))
    }
}

extension String {
    /// Without the spaces and tabs around it that HTTP allows.
    fileprivate var trimmingSpaces: Substring {
        var rest = self[...]
        while let first = rest.first, first == " " || first == "\t" { rest.removeFirst() }
        while let last = rest.last, last == " " || last == "\t" { rest.removeLast() }
        return rest
    }
}
