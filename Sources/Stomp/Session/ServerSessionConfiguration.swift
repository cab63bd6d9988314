// SPDX-License-Identifier: Apache-2.0

/// What the broker tells its sessions once and for all.
package struct ServerSessionConfiguration: Sendable {
    /// The `server` header, `hostd/VERSION`.
    package var server: String
    /// nil = anybody may connect.
    package var credentials: StompCredentials?
    package var heartBeat: HeartBeatOffer
    /// The prefetch of a SUBSCRIBE that names none, or 0.
    package var defaultPrefetch = 1000
    /// No SUBSCRIBE gets more than this.
    package var maximumPrefetch = 65_536
    package var maximumSubscriptions = 1000
    package var maximumTransactions = 64
    /// SENDs and settled deliveries in all open transactions of a connection together.
    package var maximumTransactionFrames = 100_000
    /// Octets of the SENDs in all open transactions of a connection together.
    package var maximumTransactionBytes = 64 << 20

    package init(server: String, credentials: StompCredentials? = nil, heartBeat: HeartBeatOffer = .none) {
        self.server = server
        self.credentials = credentials
        self.heartBeat = heartBeat
    }
}

/// Login and passcode; never printed.
package struct StompCredentials: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    let login: String
    let passcode: String

    package init(login: String, passcode: String) {
        self.login = login
        self.passcode = passcode
    }

    package var description: String { "***" }
    package var debugDescription: String { "***" }
    package var customMirror: Mirror { Mirror(self, children: []) }

    /// Compares in a time that depends on the lengths only, so that nobody can guess octet by octet.
    func match(login: String?, passcode: String?) -> Bool {
        let isLogin = Self.isEqual(self.login, login ?? "")
        let isPasscode = Self.isEqual(self.passcode, passcode ?? "")
        return isLogin && isPasscode
    }

    private static func isEqual(_ wanted: String, _ found: String) -> Bool {
        let wanted = Array(wanted.utf8)
        let found = Array(found.utf8)
        var difference: UInt8 = wanted.count == found.count ? 0 : 1
        for (index, octet) in found.enumerated() { difference |= octet ^ (index < wanted.count ? wanted[index] : 0) }
        return difference == 0
    }
}
