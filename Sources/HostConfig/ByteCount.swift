// SPDX-License-Identifier: Apache-2.0

/// A number of bytes, written as `512MiB`.
package struct ByteCount: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let bytes: Int64

    package init(_ bytes: Int64) {
        self.bytes = bytes
    }

    package static func mebibytes(_ count: Int64) -> ByteCount { ByteCount(count << 20) }

    private static let units: [(suffix: String, shift: Int64)] = [
        ("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0),
    ]

    /// nil where `text` isn't a whole number with a unit, or is beyond Int64.
    package init?(_ text: String) {
        guard let unit = Self.units.first(where: { text.hasSuffix($0.suffix) }),
            let count = Digits.parse(text.dropLast(unit.suffix.utf8.count))
        else { return nil }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: 1 << unit.shift)
        guard !overflow else { return nil }
        self.bytes = bytes
    }

    package var description: String {
        for unit in Self.units where bytes != 0 && bytes % (1 << unit.shift) == 0 {
            return "\(bytes >> unit.shift)\(unit.suffix)"
        }
        return "\(bytes)B"
    }

    package static func < (left: ByteCount, right: ByteCount) -> Bool { left.bytes < right.bytes }
}

enum Digits {
    /// A whole number of ASCII digits and nothing else.
    static func parse(_ text: some StringProtocol) -> Int64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int64(text)
    }
}
