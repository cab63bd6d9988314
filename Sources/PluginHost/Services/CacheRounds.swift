// SPDX-License-Identifier: Apache-2.0
import PluginABI

/// Requests that wait at the same time, as rounds to the server: one for each, but for increments of one counter by the
/// same amount, which go as one.
///
/// libmemcached waits for the answer to each increment, so a round is what costs, and the counters that many wait for at
/// the same time are those that are hot. Each request still gets its own number, as if it had come alone. Pure.
struct CacheRounds {
    struct Round: Equatable {
        let request: CacheRequest
        let key: String
        /// Which requests it stands for, in order.
        var members: [Int]

        /// What goes to the server.
        var combined: CacheRequest {
            guard members.count > 1, case .increment(let delta, let initial, let ttl) = request else { return request }
            let others = Int64(members.count - 1)
            return .increment(
                by: delta * (others + 1),
                initial: initial &+ UInt64(delta * others),
                ttl: ttl
            )
        }

        /// The answer to the member at `index`, by the server's answer to all.
        func answer(_ answer: CacheAnswer, at index: Int) -> CacheAnswer {
            guard case .increment(let delta, _, _) = request, answer.status == HOSTD_OK, members.count > 1 else {
                return answer
            }
            var own = answer
            own.number = answer.number &- UInt64(delta * Int64(members.count - 1 - index))
            return own
        }
    }

    /// Larger steps go alone, so that no sum is too large.
    private static let maxDelta: Int64 = 1 << 32

    private(set) var rounds: [Round] = []
    /// The round that may still grow, by its key: nothing else was asked of the key since.
    private var open: [String: Int] = [:]
    private var count = 0

    /// The next request, in order.
    mutating func add(_ request: CacheRequest, key: String) {
        defer { count += 1 }
        if let index = open[key], rounds[index].request == request {
            rounds[index].members.append(count)
            return
        }
        // A counter that is lowered stops at 0, wherever in the row that is.
        if case .increment(let delta, _, _) = request, delta > 0, delta <= Self.maxDelta {
            open[key] = rounds.count
        } else {
            open[key] = nil
        }
        rounds.append(Round(request: request, key: key, members: [count]))
    }
}
