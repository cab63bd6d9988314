// SPDX-License-Identifier: Apache-2.0

/// `http:` of hostd.yaml: the HTTP client that plugins use.
package struct HTTPConfig: Hashable, Sendable {
    package var timeout: Duration = .seconds(10)
    package var connectionsPerHost = 512
    /// true lets plugins reach loopback and private addresses.
    package var allowPrivate = false

    package init() {}

    package var timeoutMs: Int64 { timeout.wholeMilliseconds }

    mutating func read(_ section: ConfigSection) {
        section.read("timeout", .duration(atLeast: .milliseconds(10)), into: &timeout)
        section.read("connections_per_host", .whole(1...65_535), into: &connectionsPerHost)
        section.read("allow_private", .bool, into: &allowPrivate)
    }
}
