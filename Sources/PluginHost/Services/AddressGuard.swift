// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Which addresses a plugin may reach on behalf of strangers' URLs: none inside the operator's own network.
///
/// The ranges are IANA's special-purpose registries (RFC 6890) without what is globally reachable.
enum AddressGuard {
    /// A connection was refused before any of the request was sent.
    struct Refusal: Error {}

    static func isPublic(_ address: SocketAddress) -> Bool {
        switch address {
        // The address lies behind family and port, and in v6 behind the flow label (netinet/in.h).
        case .v4(let address):
            withUnsafeBytes(of: address.address) {
                isPublic(v4: UInt32(bigEndian: $0.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
            }
        case .v6(let address):
            withUnsafeBytes(of: address.address) { isPublic(v6: UnsafeRawBufferPointer(rebasing: $0[8..<24])) }
        case .unixDomainSocket:
            false
        }
    }

    /// False where `host` is an address literal inside a refused range; a name is judged when it is connected to.
    static func mayTry(host: String) -> Bool {
        guard let first = host.utf8.first, host.utf8.contains(UInt8(ascii: ":")) || (0x30...0x39).contains(first) else {
            return true
        }
        // An IPv6 literal may still be in its URL's brackets.
        let literal = host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
        guard let address = try? SocketAddress(ipAddress: literal, port: 0) else { return true }
        return isPublic(address)
    }

    private static let refusedV4: [(network: UInt32, bits: UInt32)] = [
        (0x0000_0000, 8), (0x0A00_0000, 8), (0x6440_0000, 10), (0x7F00_0000, 8), (0xA9FE_0000, 16), (0xAC10_0000, 12),
        (0xC000_0000, 24), (0xC000_0200, 24), (0xC058_6300, 24), (0xC0A8_0000, 16), (0xC612_0000, 15),
        (0xC633_6400, 24),
        (0xCB00_7100, 24), (0xE000_0000, 4), (0xF000_0000, 4),
    ]

    private static func isPublic(v4 address: UInt32) -> Bool {
        !refusedV4.contains { (address ^ $0.network) >> (32 - $0.bits) == 0 }
    }

    private static func isPublic(v6 bytes: UnsafeRawBufferPointer) -> Bool {
        func word(_ index: Int) -> UInt16 { UInt16(bytes[2 * index]) << 8 | UInt16(bytes[2 * index + 1]) }
        func v4(at index: Int) -> UInt32 { UInt32(word(index)) << 16 | UInt32(word(index + 1)) }
        let isZero = { (range: Range<Int>) in range.allSatisfy { word($0) == 0 } }
        // ::, ::1, v4-compatible and v4-mapped (::ffff:a.b.c.d): whatever v4 address is in there decides.
        if isZero(0..<5), word(5) == 0 || word(5) == 0xFFFF { return isPublic(v4: v4(at: 6)) }
        // NAT64 64:ff9b::/96 and 6to4 2002::/16 lead to a v4 address.
        if word(0) == 0x64, word(1) == 0xFF9B { return isZero(2..<6) && isPublic(v4: v4(at: 6)) }
        if word(0) == 0x2002 { return isPublic(v4: v4(at: 1)) }
        // Global unicast only, without Teredo and the other protocol assignments (2001::/23) and documentation.
        guard word(0) & 0xE000 == 0x2000 else { return false }
        if word(0) == 0x2001, word(1) < 0x0200 || word(1) == 0x0DB8 { return false }
        return word(0) != 0x3FFF || word(1) & 0xF000 != 0
    }
}
