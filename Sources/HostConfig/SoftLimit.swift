// SPDX-License-Identifier: Apache-2.0

/// Past it a worker restarts gracefully: a share of `workers.memory_limit`, or a size.
package enum SoftLimit: Hashable, Sendable, CustomStringConvertible {
    case percent(Int)
    case size(ByteCount)

    /// `90%` or `400MiB`; nil for anything else.
    package init?(_ text: String) {
        if text.hasSuffix("%") {
            guard let percent = Digits.parse(text.dropLast()), (1...100).contains(percent) else { return nil }
            self = .percent(Int(percent))
        } else {
            guard let size = ByteCount(text), size.bytes > 0 else { return nil }
            self = .size(size)
        }
    }

    package func bytes(of limit: ByteCount) -> Int64 {
        switch self {
        case .percent(let percent): limit.bytes / 100 * Int64(percent)
        case .size(let size): size.bytes
        }
    }

    package var description: String {
        switch self {
        case .percent(let percent): "\(percent)%"
        case .size(let size): size.description
        }
    }
}
