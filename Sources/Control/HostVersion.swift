// SPDX-License-Identifier: Apache-2.0

/// The version of hostd and queuectl, which are built and installed together.
package enum HostVersion {
    package static let current = "0.1.0"
}
