// SPDX-License-Identifier: Apache-2.0

/// FNV-1a, 64 bits: tells one text from another, the same in every process; no secret can be had from it.
enum Fingerprint {
    static func of(_ text: String) -> UInt64 {
        text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}
