// SPDX-License-Identifier: Apache-2.0
package import FoundationEssentials

/// How figures are told to people.
///
/// queuectl and the console's page both use this, so that they say the same.
package enum Figures {
    /// `1,234,567`.
    package static func count(_ number: Int64) -> String {
        let digits = String(number.magnitude)
        var text = number < 0 ? "-" : ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return text
    }

    /// `512 B`, `1.5 KiB`, `48 MiB`.
    package static func bytes(_ number: Int64) -> String {
        var value = Double(number)
        var unit = 0
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        // 1023.95 KiB would be rounded to 1024.0 KiB: such a value is told in the next unit.
        while value.magnitude >= (unit == 0 ? 1024 : 1023.95), unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return (unit == 0 ? String(number) : tenths(value, upTo: 10)) + " " + units[unit]
    }

    /// `48 MiB of 2 GiB`; `48 MiB` where there is no limit.
    package static func bytes(_ number: Int64, of limit: Int64?) -> String {
        bytes(number) + (limit.map { " of " + bytes($0) } ?? "")
    }

    /// Items a second: `0`, `0.4`, `12.5`, `1,240`.
    package static func rate(_ perSecond: Double) -> String {
        guard perSecond.isFinite else { return "-" }
        if perSecond > 0, perSecond < 0.05 { return "<0.1" }
        return perSecond >= 99.95 ? count(Int64(clamping: perSecond)) : tenths(perSecond, upTo: 100)
    }

    /// `0 s`, `45 s`, `3 m 20 s`, `2 h 5 m`, `4 d 3 h`: the two largest units.
    package static func span(seconds: Int64) -> String {
        let seconds = max(0, seconds)
        let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400)
        func pair(_ large: Int64, _ largeUnit: String, _ small: Int64, _ smallUnit: String) -> String {
            small == 0 ? "\(large) \(largeUnit)" : "\(large) \(largeUnit) \(small) \(smallUnit)"
        }
        if days > 0 { return pair(days, "d", hours % 24, "h") }
        if hours > 0 { return pair(hours, "h", minutes % 60, "m") }
        if minutes > 0 { return pair(minutes, "m", seconds % 60, "s") }
        return "\(seconds) s"
    }

    /// A moment as seen from `now`: `3 m 20 s ago`, `in 45 s`; the text itself where it isn't RFC 3339.
    package static func moment(_ text: String, now: Date) -> String {
        guard let date = date(text) else { return text }
        let seconds = date.timeIntervalSince(now)
        guard seconds.magnitude < 1e12 else { return text }
        if seconds.magnitude < 1 { return "now" }
        let told = span(seconds: Int64(seconds.magnitude.rounded()))
        return seconds > 0 ? "in " + told : told + " ago"
    }

    /// A moment that is due: `in 45 s`, or `now` once it has come.
    package static func upcoming(_ text: String, now: Date) -> String {
        if let date = date(text), date <= now { return "now" }
        return moment(text, now: now)
    }

    /// RFC 3339, with or without a fraction of a second.
    package static func date(_ text: String) -> Date? {
        (try? Date(text, strategy: .iso8601))
            ?? (try? Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
    }

    /// `9.5` below `limit`, `48` from there on; no `.0`.
    private static func tenths(_ value: Double, upTo limit: Double) -> String {
        let scaled = Int64(clamping: (value * 10).rounded())
        if value.magnitude >= limit || scaled % 10 == 0 { return String(Int64(clamping: value.rounded())) }
        return "\(scaled < 0 ? "-" : "")\(scaled.magnitude / 10).\(scaled.magnitude % 10)"
    }
}

extension Int64 {
    fileprivate init(clamping value: Double) {
        self = Int64(exactly: value.rounded()) ?? (value > 0 ? .max : .min)
    }
}

extension JSONValue {
    /// A number of either kind.
    package var number: Double? {
        switch self {
        case .int(let value): Double(value)
        case .double(let value): value
        default: nil
        }
    }
}
