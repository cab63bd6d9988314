// SPDX-License-Identifier: Apache-2.0

/// What the control groups (v2) of this process allow it: a container's limits, a service's `MemoryMax`.
enum ControlGroup {
    /// The smallest value of a file such as `cpu.max`, from this process's group up to the root; nil = none sets one.
    static func smallest<Value: Comparable>(of file: String, _ parse: (String) -> Value?) -> Value? {
        guard let groups = try? TextFile.read("/proc/self/cgroup", limit: 1 << 20), var path = path(groups) else {
            return nil
        }
        var smallest: Value?
        while true {
            if let text = try? TextFile.read("/sys/fs/cgroup\(path)/\(file)", limit: 4096), let value = parse(text) {
                smallest = smallest.map { min($0, value) } ?? value
            }
            guard let slash = path.lastIndex(of: "/") else { return smallest }
            path = String(path[..<slash])
        }
    }

    /// The path in `0::/system.slice/hostd.service`, without a slash at its end.
    static func path(_ procCgroup: String) -> String? {
        guard let line = procCgroup.split(separator: "\n").first(where: { $0.hasPrefix("0::") }) else { return nil }
        let path = line.dropFirst(3)
        return path == "/" ? "" : String(path)
    }
}
