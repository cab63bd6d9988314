// SPDX-License-Identifier: Apache-2.0

/// `console:` of hostd.yaml.
package struct ConsoleConfig: Hashable, Sendable {
    /// nil = off.
    package var listen: HostPort? = HostPort(host: "127.0.0.1", port: 7780)
    /// What a caller has to show; nil = nothing.
    package var token: Secret?

    package init() {}

    mutating func read(_ section: ConfigSection) {
        section.read("listen", .listenAddress("\"\" for off"), into: &listen)
        section.read("token", .optional(.secret), into: &token)
        if let listen, !listen.isLoopback, token == nil, !section.isGiven("token") {
            section.conflict(
                "listen",
                "other machines reach \(listen), so it needs a token: set console.token, or listen on 127.0.0.1"
            )
        }
    }
}
