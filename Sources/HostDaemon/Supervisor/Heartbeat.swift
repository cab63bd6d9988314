// SPDX-License-Identifier: Apache-2.0

/// Tells a child that hangs from one that lives: by pings that stayed without any answer.
///
/// Counted in pings, not in time: a supervisor that was itself stopped for a while blames nobody.
struct Heartbeat: Equatable {
    static let interval = Duration.seconds(5)
    /// 30 s of silence.
    static let limit = 6

    private var number = 0
    private var unanswered = 0

    /// The number of the next ping, nil where the child has been silent for too long.
    mutating func beat() -> Int? {
        guard unanswered < Self.limit else { return nil }
        unanswered += 1
        number += 1
        return number
    }

    /// Any message is a sign of life.
    mutating func heard() { unanswered = 0 }
}
