// SPDX-License-Identifier: Apache-2.0
import Foundation

/// SplitMix64: a random source that a failed test can be run again with.
///
/// `SeededRandom()` prints its seed; HOSTD_TEST_SEED in the environment sets it.
package struct SeededRandom: RandomNumberGenerator, Sendable {
    package let seed: UInt64
    private var state: UInt64

    package init(seed: UInt64) {
        self.seed = seed
        state = seed
    }

    package init(for test: String = #function) {
        let wanted = ProcessInfo.processInfo.environment["HOSTD_TEST_SEED"].flatMap { UInt64($0) }
        self.init(seed: wanted ?? UInt64.random(in: 0...UInt64.max))
        print("HOSTD_TEST_SEED=\(seed) # \(test)")
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// `count` random bytes.
    package mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) }
    }

    /// `bytes` cut at random places into pieces of 1 to `longest` bytes.
    package mutating func chunks(of bytes: [UInt8], longest: Int) -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let length = min(rest.count, Int.random(in: 1...longest, using: &self))
            pieces.append(Array(rest.prefix(length)))
            rest = rest.dropFirst(length)
        }
        return pieces
    }
}
