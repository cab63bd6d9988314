// SPDX-License-Identifier: Apache-2.0

/// How many CPUs this process may use: its affinity mask (taskset, cpusets), cut by the quota of its control groups.
package enum CPUCount {
    package static func available() -> Int {
        let status = try? TextFile.read("/proc/self/status", limit: 1 << 20)
        let allowed = status.flatMap(allowedCount(procStatus:)) ?? 1
        return max(1, min(allowed, ControlGroup.smallest(of: "cpu.max", quota) ?? allowed))
    }

    /// The size of the list in `Cpus_allowed_list: 0-3,8`.
    static func allowedCount(procStatus: String) -> Int? {
        let label = "Cpus_allowed_list:"
        guard let line = procStatus.split(separator: "\n").first(where: { $0.hasPrefix(label) }) else { return nil }
        var count = 0
        for range in line.dropFirst(label.count).split(separator: ",") {
            let ends = range.split(separator: "-").compactMap { Int($0.filter { !$0.isWhitespace }) }
            guard let first = ends.first, let last = ends.last, first <= last else { return nil }
            count += last - first + 1
        }
        return count > 0 ? count : nil
    }

    /// `cpu.max` is "QUOTA PERIOD" or "max PERIOD"; part of a CPU counts as one.
    static func quota(_ cpuMax: String) -> Int? {
        let parts = cpuMax.split { $0.isWhitespace }
        guard parts.count == 2, let quota = Int(parts[0]), let period = Int(parts[1]), quota > 0, period > 0 else {
            return nil
        }
        return (quota + period - 1) / period
    }
}
