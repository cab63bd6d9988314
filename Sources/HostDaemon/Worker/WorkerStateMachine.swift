// SPDX-License-Identifier: Apache-2.0

/// A worker's life, decided apart from its doing.
struct WorkerStateMachine {
    enum State: Equatable {
        /// Waits for its configuration. Legal: configured, drain, failed.
        case waiting
        /// The plugin works. Legal: configured (again), drain, overdue, failed.
        case working
        /// Finishes what is in flight. Legal: overdue, sitesClosed, failed.
        case draining
        /// The plugin can't be trusted: what is in flight gets a moment, then the process ends. Legal: ended.
        case condemned
        /// Legal: nothing more.
        case ended
    }

    enum Event: Equatable, CaseIterable {
        case configured
        /// The supervisor says so, or is gone.
        case drain
        case sitesClosed
        /// A delivery missed its deadline.
        case overdue
        /// The moment of the condemned is over.
        case momentOver
        /// It can't start.
        case failed
    }

    enum Action: Equatable {
        case load
        case reconfigure
        /// Refuses items and drains all sites.
        case drainSites
        /// Refuses items and gives what is in flight a moment.
        case condemn
        /// Ends with this exit status.
        case end(ExitStatus)
        /// The event changes nothing.
        case none
    }

    enum ExitStatus: Int32 {
        case drained = 0
        case failed = 1
        /// A plugin missed a deadline; the watchdog ends a blocked worker with it, too.
        case overdue = 70
        /// Past its memory limit before it did anything: another would be so, too.
        case tooLarge = 75
    }

    private(set) var state = State.waiting

    var isWorking: Bool { state == .working }

    mutating func handle(_ event: Event) -> Action {
        switch (state, event) {
        case (.waiting, .configured):
            state = .working
            return .load
        case (.working, .configured):
            return .reconfigure
        case (.waiting, .drain):
            state = .ended
            return .end(.drained)
        case (.working, .drain):
            state = .draining
            return .drainSites
        case (.draining, .sitesClosed):
            state = .ended
            return .end(.drained)
        case (.working, .overdue), (.draining, .overdue):
            state = .condemned
            return .condemn
        case (.condemned, .momentOver):
            state = .ended
            return .end(.overdue)
        case (.waiting, .failed), (.working, .failed), (.draining, .failed):
            state = .ended
            return .end(.failed)
        case (.draining, .configured), (.draining, .drain), (.condemned, _), (.ended, _), (.waiting, _), (.working, _),
            (.draining, .momentOver):
            return .none
        }
    }
}
