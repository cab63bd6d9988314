// SPDX-License-Identifier: Apache-2.0

/// Numbers used once: 128 bits in hexadecimal each.
///
/// The first half is random and the same for all of one generator, the second counts up from a random start.
/// A receiver wants them to be new, not secret (RFC 5849 section 3.3), and asking the kernel costs more than the rest.
package struct Nonces: Sendable {
    private let series = UInt64.random(in: .min ... .max)
    private var count = UInt64.random(in: .min ... .max)

    package init() {}

    package mutating func next() -> [UInt8] {
        count &+= 1
        var nonce: [UInt8] = []
        nonce.reserveCapacity(32)
        Self.append(series, to: &nonce)
        Self.append(count, to: &nonce)
        return nonce
    }

    private static func append(_ number: UInt64, to text: inout [UInt8]) {
        let digits: StaticString = "0123456789abcdef"
        for shift in stride(from: 60, through: 0, by: -4) {
            text.append(digits.utf8Start[Int(number >> UInt64(shift) & 15)])
        }
    }
}
