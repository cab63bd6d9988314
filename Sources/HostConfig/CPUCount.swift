// SPDX-License-Identifier: Apache-2.0

/// How many CPUs this process may use: its affinity mask (taskset, cpusets), cut by the quota of its control groups.
package enum CPUCount {
    package static func available() -> Int {
        let status = try? TextFile.read("/proc/self/status", limit: 1 << 20)
        let allowed = status.flatMap(allowedCount(procStatus:)) ?? 1
        return max(1, min(allowed, quotaCount() ?? allowed))
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

    /// The smallest quota on the way from this process's control group (v2) to the root; nil = none set.
    private static func quotaCount() -> Int? {
        guard let groups = try? TextFile.read("/proc/self/cgroup", limit: 1 << 20), var path = groupPath(groups) else {
            return nil
        }
        var smallest: Int?
        while true {
            if let text = try? TextFile.read("/sys/fs/cgroup\(path)/cpu.max", limit: 4096), let count = quota(text) {
                smallest = min(smallest ?? count, count)
            }
            guard let slash = path.lastIndex(of: "/") else { return smallest }
            path = String(path[..<slash])
        }
    }

    /// The path in `0::/system.slice/hostd.service`, without a slash at its end.
    static func groupPath(_ procCgroup: String) -> String? {
        guard let line = procCgroup.split(separator: "\n").first(where: { $0.hasPrefix("0::") }) else { return nil }
        let path = line.dropFirst(3)
        return path == "/" ? "" : String(path)
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
