// SPDX-License-Identifier: Apache-2.0

/// How much memory this process and its children may use: the machine's, cut by the limits of its control groups.
package enum MemorySize {
    /// nil where /proc doesn't say.
    package static func available() -> ByteCount? {
        let machine = (try? TextFile.read("/proc/meminfo", limit: 1 << 20)).flatMap(total(procMeminfo:))
        let group = ControlGroup.smallest(of: "memory.max", limit)
        return [machine, group].compactMap(\.self).min()
    }

    /// The number in `MemTotal:       16384 kB`.
    static func total(procMeminfo: String) -> ByteCount? {
        let label = "MemTotal:"
        guard let line = procMeminfo.split(separator: "\n").first(where: { $0.hasPrefix(label) }) else { return nil }
        let parts = line.dropFirst(label.count).split { $0.isWhitespace }
        guard parts.count == 2, parts[1] == "kB", let count = Digits.parse(parts[0]), count < 1 << 50 else {
            return nil
        }
        return ByteCount(count << 10)
    }

    /// `memory.max` is a number of bytes, or "max".
    static func limit(_ memoryMax: String) -> ByteCount? {
        Digits.parse(memoryMax.filter { !$0.isWhitespace }).map(ByteCount.init)
    }
}
