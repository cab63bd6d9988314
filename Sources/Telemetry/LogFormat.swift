// SPDX-License-Identifier: Apache-2.0

/// How log lines look: for people, or (`--log-format json`) for machines.
package enum LogFormat: String, Sendable, CaseIterable {
    case text
    case json
}
