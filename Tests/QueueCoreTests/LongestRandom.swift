// SPDX-License-Identifier: Apache-2.0

/// Draws the upper end of any range, so that a jittered wait is its ceiling.
struct LongestRandom: RandomNumberGenerator {
    func next() -> UInt64 { .max }
}
