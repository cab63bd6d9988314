// SPDX-License-Identifier: Apache-2.0
import HostConfig

/// What the configuration's files said when a change's turn came.
struct ConfigReading: Sendable {
    /// hostd.yaml against what is in force; that itself where it is wrong, or wasn't looked at.
    var host: HostConfigReload
    /// What is wrong with hostd.yaml, a line each.
    var hostErrors: [String] = []
    var listing: SiteListing
    /// The one site that is meant.
    var only: String?
}
