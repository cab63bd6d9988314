// SPDX-License-Identifier: Apache-2.0
import Glibc
import NIOPosix
import Synchronization

/// Brings signals into the supervisor's inbox, one by one, from a thread of its own.
///
/// `stop` leaves those that come later pending in the kernel, for the image that this process executes next.
final class SignalForwarder: Sendable {
    /// Handled one by one, in the supervisor's own order; blocked in every thread so that they reach `sigwait` alone.
    static let signals = [SIGTERM, SIGINT, SIGHUP, SIGUSR2, SIGCHLD]

    private enum State { case running, stopping, stopped }

    private let state = Mutex(State.stopped)
    private let inbox: SupervisorInbox
    private let thread = NIOThreadPool(numberOfThreads: 1)

    init(_ inbox: SupervisorInbox) {
        self.inbox = inbox
        thread.start()
    }

    static var watched: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for number in signals { sigaddset(&set, number) }
        return set
    }

    func start() {
        state.withLock { $0 = .running }
        thread.submit { [self] _ in
            var set = Self.watched
            while true {
                var number: Int32 = 0
                guard sigwait(&set, &number) == 0 else { continue }
                let isOver = state.withLock { state in
                    if state == .running {
                        inbox.put(.signal(number))
                        return false
                    }
                    // Blocked everywhere: it pends until somebody waits for it again.
                    kill(getpid(), number)
                    state = .stopped
                    return true
                }
                if isOver { return }
            }
        }
    }

    /// Returns once no thread waits for signals: what came before is in the inbox.
    func stop() {
        state.withLock { if $0 == .running { $0 = .stopping } }
        // Wakes the thread; whoever gets it in the end looks at children that didn't end.
        kill(getpid(), SIGCHLD)
        while state.withLock({ $0 }) != .stopped { poll(nil, 0, 1) }
    }
}
