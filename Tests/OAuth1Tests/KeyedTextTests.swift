// SPDX-License-Identifier: Apache-2.0

import Crypto
import Testing

@testable import OAuth1

@Suite struct KeyedTextTests {
    /// Of `text` with `key`, by swift-crypto.
    private func reference(_ key: [UInt8], _ text: [UInt8]) -> [UInt8] {
        Array(HMAC<Insecure.SHA1>.authenticationCode(for: text, using: SymmetricKey(data: key)))
    }

    private func code(_ key: [UInt8], _ text: [UInt8], capacity: Int) -> [UInt8] {
        var keyed = KeyedText(key: key, capacity: capacity)
        keyed.bytes.append(contentsOf: text)
        return keyed.withCode { Array($0) }
    }

    @Test(
        "The code is swift-crypto's, whatever the length of the key",
        arguments: [0, 1, 19, 20, 21, 41, 63, 64, 65, 83, 84, 127, 128, 129, 1000]
    )
    func agrees(keyLength: Int) {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SplitMix(state: seed)
        // Texts around the borders of SHA-1's blocks, and one of many blocks.
        for length in [0, 1, 54, 55, 56, 63, 64, 65, 119, 120, 128, 2000] {
            let key = bytes(keyLength, &random)
            let text = bytes(length, &random)
            let expected = reference(key, text)
            #expect(code(key, text, capacity: length) == expected, "seed \(seed), text of \(length) bytes")
            #expect(code(key, text, capacity: 0) == expected, "seed \(seed), text of \(length) bytes, grown")
        }
    }

    @Test(
        "The key of two secrets is that of Signature.key",
        arguments: [("", ""), ("s", ""), ("", "t"), ("a b", "c&d"), ("\u{E9}", String(repeating: "long/", count: 30))]
    )
    func secrets(consumerSecret: String, tokenSecret: String) {
        var keyed = KeyedText(
            encodedConsumerSecret: PercentEncoding.encode(consumerSecret),
            tokenSecret: tokenSecret,
            capacity: 4
        )
        keyed.bytes.append(contentsOf: "text".utf8)
        let key = Signature.key(consumerSecret: consumerSecret, tokenSecret: tokenSecret)
        #expect(keyed.withCode { Array($0) } == reference(key, Array("text".utf8)))
    }

    private func bytes(_ count: Int, _ random: inout SplitMix) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    }
}
