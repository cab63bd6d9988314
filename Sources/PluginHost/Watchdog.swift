// SPDX-License-Identifier: Apache-2.0
import Synchronization

#if canImport(Glibc)
import Glibc
#endif

/// A thread of its own that looks whether the plugin has kept the loop past a deadline: the loop itself could not.
///
/// Started by `PluginInstance.startWatchdog`, once.
final class Watchdog: Sendable {
    private let isStopped = Atomic<Bool>(false)
    private let check: @Sendable () -> Void
    /// Microseconds between two looks.
    private static let period: UInt32 = 50_000

    /// `check` runs on the watchdog's thread until `stop`.
    init(_ check: @escaping @Sendable () -> Void) {
        self.check = check
    }

    func start() {
        let this = Unmanaged.passRetained(self).toOpaque()
        var thread = pthread_t()
        let status = pthread_create(
            &thread,
            nil,
            { argument in
                if let argument { Unmanaged<Watchdog>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            },
            this
        )
        if status == 0 {
            pthread_detach(thread)
        } else {
            Unmanaged<Watchdog>.fromOpaque(this).release()
        }
    }

    func stop() { isStopped.store(true, ordering: .relaxed) }

    private func run() {
        while !isStopped.load(ordering: .relaxed) {
            check()
            usleep(Self.period)
        }
    }
}
