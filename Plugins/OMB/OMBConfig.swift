// SPDX-License-Identifier: Apache-2.0

import OAuth1
import PluginKit

/// A site's settings, made ready for signing.
///
/// Immutable: a new configuration makes a new one.
struct OMBConfig: Sendable {
    static let timeoutKey = "timeout"

    /// The snapshot that this was made of.
    let source: SiteConfig
    let timeout: Duration
    /// The consumer key is the site's root URL, the consumer secret is empty (OMB 0.1 section 4).
    let signer: FormSigner

    init(_ config: SiteConfig) throws(FrameError) {
        let seconds = config.int(Self.timeoutKey) ?? 5
        guard (1...60).contains(seconds) else {
            throw FrameError("\(Self.timeoutKey): expected 1 to 60 seconds, found \(seconds)")
        }
        let root = config.root
        guard !root.isEmpty else { throw FrameError("site.root is empty: the site needs a server name to sign with") }
        source = config
        timeout = .seconds(seconds)
        signer = FormSigner(consumerKey: root, consumerSecret: "")
    }
}
