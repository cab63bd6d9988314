// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// How the receiver misbehaves, alike for all of its targets.
///
/// Nothing that is answered otherwise than by 200 counts as taken.
struct Faults: ParsableArguments {
    @Option(help: "Answer with this status in place of 200.")
    var status = 200

    @Option(help: "Add Retry-After with this many seconds.")
    var retryAfter: Int?

    @Option(help: "Answer after this many milliseconds.")
    var delay = 0

    @Flag(help: "Read requests and never answer.")
    var hang = false

    @Option(help: "Close each connection in place of its answer number N + 1.")
    var closeAfter: Int?

    @Flag(help: "Answer with a body that never ends.")
    var endless = false

    @Flag(help: "Answer 200 without omb_version, as a parked domain does.")
    var noVersion = false
}

/// The value of `--slow K:MS`.
struct SlowTargets: ExpressibleByArgument, CustomStringConvertible {
    static let none = SlowTargets(count: 0, milliseconds: 0)

    let count: Int
    let milliseconds: Int64

    init(count: Int, milliseconds: Int64) {
        self.count = count
        self.milliseconds = milliseconds
    }

    init?(argument: String) {
        let parts = argument.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let count = Int(parts[0]), let milliseconds = Int64(parts[1]), count >= 0,
            milliseconds >= 0
        else { return nil }
        self.init(count: count, milliseconds: milliseconds)
    }

    var description: String { "\(count):\(milliseconds)" }

    /// Evenly spread: the first of K targets takes a K-th of the slowest one's time.
    func delay(of target: Int) -> Int64 {
        (1...max(count, 1)).contains(target) && count > 0 ? milliseconds * Int64(target) / Int64(count) : 0
    }
}
