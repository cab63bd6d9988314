// SPDX-License-Identifier: Apache-2.0
import Foundation
import NIOConcurrencyHelpers

@testable import Broker

/// A clock that tests move; steady and wall time go together unless told otherwise.
final class VirtualBrokerClock: BrokerClock {
    private let times: NIOLockedValueBox<(steady: Int64, wall: Int64)>

    init() {
        let now = Int64(Date().timeIntervalSince1970 * 1000)
        times = NIOLockedValueBox((now, now))
    }

    var steadyMs: Int64 { times.withLockedValue(\.steady) }
    var wallMs: Int64 { times.withLockedValue(\.wall) }
    func advance(ms: Int64) { times.withLockedValue { $0 = ($0.steady + ms, $0.wall + ms) } }
    func jumpWall(ms: Int64) { times.withLockedValue { $0.wall += ms } }
}
