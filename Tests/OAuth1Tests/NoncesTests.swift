// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import OAuth1

@Suite struct NoncesTests {
    @Test("Nonces are 32 hexadecimal digits, and new, also those of another process or site")
    func nonces() {
        var sources = [Nonces(), Nonces()]
        let nonces = Set((0..<1000).map { String(decoding: sources[$0 % 2].next(), as: UTF8.self) })
        #expect(nonces.count == 1000 && nonces.allSatisfy { $0.count == 32 && $0.allSatisfy(\.isHexDigit) })
    }
}
