// SPDX-License-Identifier: Apache-2.0

/// Why an item was given up.
///
/// The raw value is the word that SQL, JSON, metrics and queuectl show.
package enum DeadReason: String, Codable, CaseIterable, Sendable {
    /// The handler said retry once too often.
    case maxRetries = "max-retries"
    /// The worker that held it died, or its deadline passed, once too often.
    case killed
    case expired
    /// The handler or the remote side refused this content for good.
    case rejected
    /// The target no longer exists.
    case gone
    /// The frame can't be understood.
    case badFrame = "bad-frame"
    case unknownSite = "unknown-site"
    case noHandler = "no-handler"
    /// An operator or a delete frame took it away.
    case dropped
}
