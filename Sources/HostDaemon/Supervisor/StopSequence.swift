// SPDX-License-Identifier: Apache-2.0

/// The order of a graceful stop: workers settle with the broker, so it goes last; the console shows the drain to its end.
struct StopSequence: Equatable {
    enum Step: Equatable {
        case drain(Role)
        case wait
        case finished
    }

    static let order: [Role] = [.worker, .console, .broker]

    /// The role that is drained now; nil before the first step.
    private(set) var role: Role?

    /// What to do next, where processes of these roles are left.
    ///
    /// Asked at the start and at each end of a process.
    mutating func next(remaining: Set<Role>) -> Step {
        guard let first = Self.order.first(where: remaining.contains) else { return .finished }
        guard first != role else { return .wait }
        role = first
        return .drain(first)
    }
}
