// SPDX-License-Identifier: Apache-2.0

extension ConfigForm where Value == HostPort {
    /// An address to connect to.
    static var server: ConfigForm {
        scalar("HOST:PORT") { scalar in HostPort(scalar.text).flatMap { $0.port > 0 ? $0 : nil } }
    }
}

extension ConfigForm where Value == HostPort? {
    /// An address to listen on; `""` is none, and port 0 any free one.
    static func listenAddress(_ none: String) -> ConfigForm {
        scalar("HOST:PORT, or \(none)") { scalar in
            if scalar.text.isEmpty { return .some(nil) }
            return HostPort(scalar.text).map { .some($0) }
        }
    }
}

extension ConfigForm where Value == String {
    /// A STOMP destination, or what such names begin with.
    static func destination(_ example: String, isPrefix: Bool) -> ConfigForm {
        let wanted = "a destination such as \(example)" + (isPrefix ? ", with a slash at its end" : "")
        return text(wanted) { text in
            text.utf8.count > 1 && text.hasPrefix("/") && text.hasSuffix("/") == isPrefix
                && text.utf8.allSatisfy { (33...126).contains($0) }
        }
    }
}

enum URLText {
    /// An absolute http or https URL with a host, in visible ASCII.
    static func isHTTP(_ text: String) -> Bool {
        guard text.utf8.allSatisfy({ (33...126).contains($0) }) else { return false }
        for scheme in ["http://", "https://"] where text.hasPrefix(scheme) {
            let authority = text.dropFirst(scheme.count).prefix { !"/?#".contains($0) }
            return isAuthority(String(authority))
        }
        return false
    }

    /// HOST or HOST:PORT.
    static func isAuthority(_ text: String) -> Bool {
        HostPort.isHostName(text) || (HostPort(text).map { $0.port > 0 } ?? false)
            || (text.hasPrefix("[") && HostPort(text + ":80") != nil)
    }
}
