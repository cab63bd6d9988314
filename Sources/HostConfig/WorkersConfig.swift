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
    /// Per worker.
    package var memoryLimit: ByteCount = .mebibytes(512)

    package static let countRange = 1...1024

    package init() {}

    /// At least 1.
    package var effectiveCount: Int {
        switch count {
        case .auto: CPUCount.available()
        case .fixed(let count): count
        }
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
        section.read("memory_limit", .size(atLeast: .mebibytes(16)), into: &memoryLimit)
    }
}
