// SPDX-License-Identifier: Apache-2.0
import HostConfig

/// What of a request decides whether it may be answered.
struct RequestFacts {
    var isReading = true
    var path = "/"
    /// The Host header.
    var host: String?
    var authorization: String?
    var cookies: [String] = []
    var queryToken: String?
}

/// Who may see the console.
///
/// Pure: the responder asks it before anything else is done for a request.
struct AccessRule {
    enum Verdict: Equatable {
        case allowed
        /// Allowed, and this browser need not show the token again.
        case signedIn
        /// Not GET or HEAD: the console changes nothing.
        case wrongMethod
        /// A name that isn't this machine's: a page in the user's browser had its own name resolve to loopback
        /// (DNS rebinding) and would read the answer.
        case foreignHost
        case tokenNeeded
        case tokenWrong
    }

    /// nil: whoever reaches the address may read.
    var token: String?
    /// What a signed-in browser shows in its cookie: random, of this process, so that the token itself is in no cookie.
    var session: String
    var isLoopback: Bool

    static let cookieName = "hostd_session"

    func verdict(on request: RequestFacts) -> Verdict {
        guard request.isReading else { return .wrongMethod }
        // Load balancers and probes ask for it, by whatever name; it tells nothing but whether hostd is well.
        if request.path == "/health" { return .allowed }
        guard let token else {
            return !isLoopback || Self.isLocal(request.host) ? .allowed : .foreignHost
        }
        if let shown = Self.bearer(request.authorization) {
            return Self.areEqual(shown, token) ? .allowed : .tokenWrong
        }
        if let shown = request.queryToken {
            return Self.areEqual(shown, token) ? .signedIn : .tokenWrong
        }
        let expected = Self.cookieName + "=" + session
        // Every cookie is compared: a foreign one of the same name must not hide ours.
        let isSignedIn = request.cookies.reduce(false) { Self.areEqual($1, expected) || $0 }
        return isSignedIn ? .allowed : .tokenNeeded
    }

    /// `localhost`, 127.0.0.1 and [::1], with any port: an SSH tunnel has its own, and rebinding can't give itself
    /// these names.
    private static func isLocal(_ host: String?) -> Bool {
        guard let host, let address = HostPort(host) ?? HostPort(host + ":80") else { return false }
        return address.isLoopback
    }

    /// RFC 6750; the scheme's case is free (RFC 9110, 11.1).
    private static func bearer(_ authorization: String?) -> String? {
        guard let authorization, authorization.utf8.count > 7,
            authorization.prefix(7).lowercased() == "bearer "
        else { return nil }
        return String(authorization.dropFirst(7).drop { $0 == " " })
    }

    /// Takes the same time wherever the first difference is, so that a token can't be found byte by byte.
    static func areEqual(_ shown: String, _ expected: String) -> Bool {
        let (shown, expected) = (Array(shown.utf8), Array(expected.utf8))
        var difference = shown.count ^ expected.count
        for (index, byte) in shown.enumerated() {
            difference |= Int(byte ^ (expected.isEmpty ? 0 : expected[index % expected.count]))
        }
        return difference == 0
    }
}
