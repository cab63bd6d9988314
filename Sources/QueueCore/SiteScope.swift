// SPDX-License-Identifier: Apache-2.0

/// The sites whose items of one queue a worker takes: what a breakout entry gives to another worker isn't among them.
package enum SiteScope: Codable, Hashable, Sendable {
    /// None but this one.
    case only(SiteName)
    /// All but these.
    case except(Set<SiteName>)

    package static let all = SiteScope.except([])

    package func contains(_ site: SiteName) -> Bool {
        switch self {
        case .only(let one): site == one
        case .except(let others): others.isEmpty || !others.contains(site)
        }
    }
}
