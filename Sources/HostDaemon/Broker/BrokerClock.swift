// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The broker's two clocks, both in Unix milliseconds.
///
/// `steady` never jumps while the broker runs: it decides delays, lanes and circuits, so that a corrected clock neither
/// wakes every lane at once nor holds them for an hour. `wall` is for what people and other programs see: enqueued,
/// expires, ended.
package protocol BrokerClock: Sendable {
    var steadyMs: Int64 { get }
    var wallMs: Int64 { get }
}

package struct SystemBrokerClock: BrokerClock {
    private let offsetMs: Int64

    package init() { offsetMs = Self.read(CLOCK_REALTIME) - Self.read(CLOCK_BOOTTIME) }

    package var steadyMs: Int64 { offsetMs + Self.read(CLOCK_BOOTTIME) }
    package var wallMs: Int64 { Self.read(CLOCK_REALTIME) }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
