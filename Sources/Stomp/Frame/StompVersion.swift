// SPDX-License-Identifier: Apache-2.0

/// A version of the protocol; 1.0 is spoken with a client that names none.
package enum StompVersion: Int, Sendable, Comparable, CaseIterable, CustomStringConvertible {
    case v1_0 = 10
    case v1_1 = 11
    case v1_2 = 12

    package init?(_ text: some StringProtocol) {
        switch text {
        case "1.0": self = .v1_0
        case "1.1": self = .v1_1
        case "1.2": self = .v1_2
        default: return nil
        }
    }

    /// All that hostd speaks, as an ERROR tells a client whose versions are all unknown.
    package static let supported = allCases.map(\.description).joined(separator: ",")

    package var description: String {
        switch self {
        case .v1_0: "1.0"
        case .v1_1: "1.1"
        case .v1_2: "1.2"
        }
    }

    package static func < (left: StompVersion, right: StompVersion) -> Bool { left.rawValue < right.rawValue }
}
