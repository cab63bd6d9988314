// SPDX-License-Identifier: Apache-2.0

/// Draws the upper end of any range, so that a jittered wait is its ceiling.
struct LongestRandom: RandomNumberGenerator {
    // Stored: ThreadSanitizer takes the one place of all empty structs for shared memory.
    private let value = UInt64.max

    func next() -> UInt64 { value }
}
