// SPDX-License-Identifier: Apache-2.0
import Foundation
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

extension BrokerClock {
    /// How far the wall clock is ahead of the steady one: added to a steady moment it gives what people's clocks will show.
    var aheadMs: Int64 { wallMs - steadyMs }
}

package struct SystemBrokerClock: BrokerClock {
    /// Where the steady clock began in this run of the machine.
    struct Origin: Equatable {
        /// Names the run of the machine, from its start.
        var boot: String
        /// Added to the time since the machine started.
        var offsetMs: Int64

        /// A clock that was wrong by more than that when the machine started is not to be held on to.
        static let farthestMs: Int64 = 25 * 3_600_000

        /// What times in the store mean is kept over a new broker: if the clock was moved meanwhile, what waits an hour
        /// waits an hour.
        static func now(last: Origin?, boot: String, wallMs: Int64, sinceBootMs: Int64) -> Origin {
            let fresh = Origin(boot: boot, offsetMs: wallMs - sinceBootMs)
            guard let last, !boot.isEmpty, last.boot == boot else { return fresh }
            let (distance, isBeyond) = last.offsetMs.subtractingReportingOverflow(fresh.offsetMs)
            return isBeyond || distance.magnitude > UInt64(farthestMs) ? fresh : last
        }

        init(boot: String, offsetMs: Int64) {
            self.boot = boot
            self.offsetMs = offsetMs
        }

        /// As it is written: the boot's name, a space, the offset.
        init?(_ text: String) {
            let words = text.split(whereSeparator: \.isWhitespace)
            guard words.count == 2, let offset = Int64(words[1]) else { return nil }
            self.init(boot: String(words[0]), offsetMs: offset)
        }

        var text: String { "\(boot) \(offsetMs)\n" }
    }

    private let offsetMs: Int64

    package init() { offsetMs = Self.read(CLOCK_REALTIME) - Self.read(CLOCK_BOOTTIME) }

    /// Goes on from where the last broker's clock was, as long as the machine runs: `STATE_DIR/clock` says from where.
    ///
    /// Where that file can't be read or written, a new broker takes the wall clock as it is then.
    package init(stateDirectory: String) {
        let path = stateDirectory + "/clock"
        let last = (try? String(contentsOfFile: path, encoding: .utf8)).flatMap(Origin.init)
        let boot = (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)) ?? ""
        let origin = Origin.now(
            last: last,
            boot: boot.trimmingCharacters(in: .whitespacesAndNewlines),
            wallMs: Self.read(CLOCK_REALTIME),
            sinceBootMs: Self.read(CLOCK_BOOTTIME)
        )
        if origin != last { try? origin.text.write(toFile: path, atomically: true, encoding: .utf8) }
        offsetMs = origin.offsetMs
    }

    package var steadyMs: Int64 { offsetMs + Self.read(CLOCK_BOOTTIME) }
    package var wallMs: Int64 { Self.read(CLOCK_REALTIME) }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
