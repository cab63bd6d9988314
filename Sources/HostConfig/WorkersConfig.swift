// SPDX-License-Identifier: Apache-2.0

/// `workers:` of hostd.yaml.
package struct WorkersConfig: Hashable, Sendable {
    package enum Count: Hashable, Sendable {
        /// One for each CPU that this process may use.
        case auto
        case fixed(Int)
    }

    package enum Isolation: String, Hashable, Sendable, CaseIterable { case plugin, group }

    /// Per plugin in group main.
    package var count: Count = .auto
    package var isolate: Isolation = .plugin
    /// How long a new generation's first worker runs alone beside the old ones; zero = off.
    package var canary: Duration = .seconds(10)
    /// How long a plugin's init, and the opening of a site, may take; then its worker is ended.
    package var startTimeout: Duration = .seconds(60)
    /// Per worker; nil = auto.
    package var memoryLimit: ByteCount?

    package static let countRange = 1...1024

    package init() {}

    /// At least 1.
    package var effectiveCount: Int {
        switch count {
        case .auto: CPUCount.available()
        case .fixed(let count): count
        }
    }

    /// What `auto` is on a machine that has plenty.
    static let mostMemory = ByteCount.mebibytes(512)
    /// Less than that no plugin can be expected to make do with.
    package static let leastMemory = ByteCount.mebibytes(64)

    /// `auto`: so many workers of a plugin leave a quarter of the memory to the others.
    ///
    /// `available` = nil: nobody knows.
    package func effectiveMemoryLimit(workers count: Int, available: ByteCount?) -> ByteCount {
        if let memoryLimit { return memoryLimit }
        guard let available else { return Self.mostMemory }
        let share = ByteCount(available.bytes / 4 * 3 / Int64(max(1, count)))
        return min(Self.mostMemory, max(Self.leastMemory, share))
    }

    mutating func read(_ section: ConfigSection) {
        let range = Self.countRange
        let countForm = ConfigForm<Count>.scalar(
            "auto, or a whole number from \(range.lowerBound) to \(range.upperBound)"
        ) {
            if $0.text == "auto" { return .auto }
            guard $0.isPlain, let count = Digits.parse($0.text), range.contains(Int(count)) else { return nil }
            return .fixed(Int(count))
        }
        section.read("count", countForm, into: &count)
        section.read("isolate", .scalar("plugin or group") { Isolation(rawValue: $0.text) }, into: &isolate)
        section.read("canary", .duration(), into: &canary)
        section.read("start_timeout", .duration(atLeast: .seconds(1)), into: &startTimeout)
        let least = ByteCount.mebibytes(16)
        let limitForm = ConfigForm<ByteCount?>.scalar("auto, or a size such as 512MiB, at least \(least)") {
            if $0.text == "auto" { return .some(nil) }
            return ByteCount($0.text).flatMap { $0 < least ? nil : .some($0) }
        }
        section.read("memory_limit", limitForm, into: &memoryLimit)
    }
}
