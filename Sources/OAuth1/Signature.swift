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
        var text = KeyedText(key: key, capacity: baseString.count)
        text.bytes.append(contentsOf: baseString)
        return text.withCode { base64($0) }
    }

    /// Compares in a time that doesn't depend on where they differ.
    package static func isEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }

    package static func base64(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        forEachDigit(of: bytes) { text.append($0) }
        return text
    }

    /// The digits of Base64, padding included, one after the other.
    @inline(__always)
    static func forEachDigit(of bytes: UnsafeRawBufferPointer, _ body: (UInt8) -> Void) {
        let alphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let count = min(3, bytes.count - start)
            var group = 0
            for offset in 0..<3 { group = group << 8 | (offset < count ? Int(bytes[start + offset]) : 0) }
            for digit in 0..<4 {
                let index = group >> (18 - 6 * digit) & 63
                body(digit <= count ? alphabet.utf8Start[index] : UInt8(ascii: "="))
            }
        }
    }
}

/// A text that is written and then signed in one buffer, by HMAC-SHA1 (RFC 2104).
///
/// HMAC hashes a block made of the key and the text behind it: so they lie here, one after the other. swift-crypto's own
/// HMAC copies a key into six arrays and two hashers first, and this runs for each delivery.
struct KeyedText {
    /// SHA-1's.
    private static let blockSize = 64
    private static let innerPad: UInt8 = 0x36
    private static let outerPad: UInt8 = 0x5C

    /// The key's block, then what is signed: for appending only.
    var bytes: [UInt8] = []

    /// - `capacity`: Bytes that the text may have without a new allocation.
    init(key: some Sequence<UInt8>, capacity: Int) {
        bytes.reserveCapacity(Self.blockSize * 2 + capacity)
        bytes.append(contentsOf: key)
        closeKey()
    }

    /// With the key of `Signature.key`, its consumer's half encoded already.
    init(encodedConsumerSecret: [UInt8], tokenSecret: String, capacity: Int) {
        bytes.reserveCapacity(Self.blockSize * 2 + capacity)
        bytes.append(contentsOf: encodedConsumerSecret)
        bytes.append(UInt8(ascii: "&"))
        PercentEncoding.append(tokenSecret.utf8, to: &bytes)
        closeKey()
    }

    /// Makes one block of the key: padded with zeros, or hashed where it is longer.
    private mutating func closeKey() {
        if bytes.count > Self.blockSize {
            let hash = bytes.withUnsafeBytes { Self.hash($0) }
            bytes.removeAll(keepingCapacity: true)
            hash.withUnsafeBytes { bytes.append(contentsOf: $0) }
        }
        for index in bytes.indices { bytes[index] ^= Self.innerPad }
        bytes.append(contentsOf: repeatElement(Self.innerPad, count: Self.blockSize - bytes.count))
    }

    /// Lends the code's 20 bytes.
    func withCode<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let inner = bytes.withUnsafeBytes { Self.hash($0) }
        let outer = withUnsafeTemporaryAllocation(
            byteCount: Self.blockSize + Insecure.SHA1Digest.byteCount,
            alignment: 1
        ) { block in
            for index in 0..<Self.blockSize { block[index] = bytes[index] ^ Self.innerPad ^ Self.outerPad }
            inner.withUnsafeBytes {
                UnsafeMutableRawBufferPointer(rebasing: block[Self.blockSize...]).copyMemory(from: $0)
            }
            return Self.hash(UnsafeRawBufferPointer(block))
        }
        return outer.withUnsafeBytes(body)
    }

    private static func hash(_ bytes: UnsafeRawBufferPointer) -> Insecure.SHA1Digest {
        var hasher = Insecure.SHA1()
        hasher.update(bufferPointer: bytes)
        return hasher.finalize()
    }
}
