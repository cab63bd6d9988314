// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// How long to wait before the next attempt to reach the broker: 50 ms, doubled up to 200.
///
/// Not longer, since a broker that starts waits for its workers (`Resumption`), and an attempt on a socket of the machine
/// costs nothing. No jitter: a broker serves its workers on one machine.
struct LinkBackoff {
    static let first = TimeAmount.milliseconds(50)
    static let most = TimeAmount.milliseconds(200)
    private var next = LinkBackoff.first

    /// An attempt failed, or a link broke.
    mutating func failed() -> TimeAmount {
        defer { next = min(Self.most, next * 2) }
        return next
    }

    mutating func succeeded() { next = Self.first }
}
