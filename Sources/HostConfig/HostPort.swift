// SPDX-License-Identifier: Apache-2.0
import Glibc

/// `HOST:PORT`; an IPv6 address stands in brackets, `[::1]:61613`.
package struct HostPort: Hashable, Sendable, CustomStringConvertible {
    /// A name or an address, without brackets.
    package let host: String
    package let port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// nil where `text` isn't HOST:PORT.
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = Digits.parse(text[text.index(after: colon)...]),
            (0...65535).contains(port)
        else { return nil }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
            guard Self.address6(host) != nil else { return nil }
        } else {
            guard Self.isHostName(host) else { return nil }
        }
        self.host = host
        self.port = Int(port)
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Whether only this machine reaches it.
    ///
    /// A name other than `localhost` is not looked up and counts as reachable.
    package var isLoopback: Bool {
        if host.lowercased() == "localhost" { return true }
        var address4 = in_addr()
        if inet_pton(AF_INET, host, &address4) == 1 { return UInt32(bigEndian: address4.s_addr) >> 24 == 127 }
        guard let bytes = Self.address6(host) else { return false }
        let isMapped = bytes.prefix(10).allSatisfy { $0 == 0 } && bytes[10] == 0xFF && bytes[11] == 0xFF
        return isMapped ? bytes[12] == 127 : bytes.prefix(15).allSatisfy { $0 == 0 } && bytes[15] == 1
    }

    /// Letters, digits, dots, hyphens and underscores: names and IPv4 addresses.
    static func isHostName(_ text: String) -> Bool {
        let bytes = text.utf8
        guard let first = bytes.first, bytes.count <= 253, first != UInt8(ascii: "-"), first != UInt8(ascii: ".") else {
            return false
        }
        return bytes.allSatisfy {
            (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || [45, 46, 95].contains($0)
        }
    }

    private static func address6(_ text: String) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 16)
        return inet_pton(AF_INET6, text, &bytes) == 1 ? bytes : nil
    }
}
