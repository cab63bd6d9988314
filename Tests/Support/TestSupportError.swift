// SPDX-License-Identifier: Apache-2.0

/// What a test's own tools report; its text is what the failed test prints.
package enum TestSupportError: Error, CustomStringConvertible {
    case missing(String)
    case cannotCreate(String, reason: String)
    case timeLimitPassed(waitingFor: String, after: Duration, seen: String)
    case ended(waitingFor: String, seen: String)

    package var description: String {
        switch self {
        case .missing(let what): "\(what) isn't there"
        case .cannotCreate(let what, let reason): "cannot create \(what): \(reason)"
        case .timeLimitPassed(let what, let limit, let seen): "waited \(limit) for \(what); seen: \(seen)"
        case .ended(let what, let seen): "ended while waiting for \(what); seen: \(seen)"
        }
    }
}
