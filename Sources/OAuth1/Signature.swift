// SPDX-License-Identifier: Apache-2.0

import Crypto

/// HMAC-SHA1 over a base string (RFC 5849 section 3.4.2), in Base64.
package enum Signature {
    /// The secrets as the key has them: percent-encoded and joined by `&`; either may be empty.
    package static func key(consumerSecret: String, tokenSecret: String) -> [UInt8] {
        var key: [UInt8] = []
        PercentEncoding.append(consumerSecret.utf8, to: &key)
        key.append(UInt8(ascii: "&"))
        PercentEncoding.append(tokenSecret.utf8, to: &key)
        return key
    }

    /// 28 bytes of Base64.
    package static func make(_ baseString: [UInt8], key: [UInt8]) -> [UInt8] {
        var code = HMAC<Insecure.SHA1>(key: SymmetricKey(data: key))
        code.update(data: baseString)
        return code.finalize().withUnsafeBytes { base64($0) }
    }

    /// Compares in a time that doesn't depend on where they differ.
    package static func isEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }

    static func base64(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        let alphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let count = min(3, bytes.count - start)
            var group = 0
            for offset in 0..<3 { group = group << 8 | (offset < count ? Int(bytes[start + offset]) : 0) }
            for digit in 0..<4 {
                let index = group >> (18 - 6 * digit) & 63
                text.append(digit <= count ? alphabet.utf8Start[index] : UInt8(ascii: "="))
            }
        }
        return text
    }
}
