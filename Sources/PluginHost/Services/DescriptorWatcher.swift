// SPDX-License-Identifier: Apache-2.0
import NIOConcurrencyHelpers
import PluginABI

#if canImport(Glibc)
import Glibc
#endif

/// A thread that polls the file descriptors of a plugin, since NIO's selector takes only its own.
///
/// Started with the first watch; one report per arming, then a descriptor rests until `arm`. A plugin watches a handful
/// (the sockets of an embedded library), so poll(2) does. Any thread may call; reports come on the watcher's thread.
///
/// `@unchecked Sendable`: all state is behind the lock.
final class DescriptorWatcher: @unchecked Sendable {
    private struct Watch {
        var fd: Int32
        /// HOSTD_FD_*; 0 = rests.
        var events: UInt32
        var report: @Sendable (UInt32) -> Void
    }

    private let lock = NIOLock()
    private var watches: [hostd_op: Watch] = [:]
    /// Both ends of the pipe that wakes the thread; -1 while it doesn't run.
    private var wakeUp: (read: Int32, write: Int32) = (-1, -1)
    private var isStopped = false

    /// Error and hang-up are always reported (HOSTD_FD_ERROR), asked for or not, as poll(2) does.
    static func isLegal(_ events: UInt32) -> Bool { events & ~(HOSTD_FD_READ | HOSTD_FD_WRITE | HOSTD_FD_ERROR) == 0 }

    /// False where no thread or pipe could be had.
    func add(_ op: hostd_op, fd: Int32, events: UInt32, report: @escaping @Sendable (UInt32) -> Void) -> Bool {
        lock.withLock {
            guard !isStopped, wakeUp.write >= 0 || startLocked() else { return false }
            watches[op] = Watch(fd: fd, events: events, report: report)
            wakeLocked()
            return true
        }
    }

    func arm(_ op: hostd_op, events: UInt32) {
        lock.withLock {
            guard watches[op] != nil else { return }
            watches[op]?.events = events
            wakeLocked()
        }
    }

    /// When it returns the descriptor may be closed: the thread may still poll it once, but reports nothing of it.
    func remove(_ op: hostd_op) {
        lock.withLock {
            watches[op] = nil
            wakeLocked()
        }
    }

    func stop() {
        lock.withLock {
            isStopped = true
            watches = [:]
            wakeLocked()
        }
    }

    private func wakeLocked() {
        guard wakeUp.write >= 0 else { return }
        // A full pipe wakes as well.
        var byte: UInt8 = 0
        _ = write(wakeUp.write, &byte, 1)
    }

    private func startLocked() -> Bool {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return false }
        wakeUp = (ends[0], ends[1])
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        let this = Unmanaged.passRetained(self).toOpaque()
        var thread = pthread_t()
        let status = pthread_create(
            &thread,
            nil,
            { argument in
                if let argument { Unmanaged<DescriptorWatcher>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            },
            this
        )
        guard status == 0 else {
            Unmanaged<DescriptorWatcher>.fromOpaque(this).release()
            close(wakeUp.read)
            close(wakeUp.write)
            wakeUp = (-1, -1)
            return false
        }
        pthread_detach(thread)
        return true
    }

    private func run() {
        while true {
            let (ops, entries, isOver) = lock.withLock { snapshotLocked() }
            guard !isOver else { break }
            var polled = entries
            guard poll(&polled, nfds_t(polled.count), -1) >= 0 || errno == EINTR else { break }
            if polled[0].revents != 0 { drainWakeUps() }
            for (index, op) in ops.enumerated() where polled[index + 1].revents != 0 {
                report(op, Int32(polled[index + 1].revents))
            }
        }
        lock.withLock {
            close(wakeUp.read)
            close(wakeUp.write)
            wakeUp = (-1, -1)
        }
    }

    private func snapshotLocked() -> ([hostd_op], [pollfd], Bool) {
        var ops: [hostd_op] = []
        var entries = [pollfd(fd: wakeUp.read, events: Int16(POLLIN), revents: 0)]
        for (op, watch) in watches where watch.events != 0 {
            var events: Int32 = 0
            if watch.events & HOSTD_FD_READ != 0 { events |= POLLIN }
            if watch.events & HOSTD_FD_WRITE != 0 { events |= POLLOUT }
            ops.append(op)
            entries.append(pollfd(fd: watch.fd, events: Int16(events), revents: 0))
        }
        return (ops, entries, isStopped)
    }

    private func report(_ op: hostd_op, _ revents: Int32) {
        var ready: UInt32 = 0
        if revents & (POLLIN | POLLHUP) != 0 { ready |= HOSTD_FD_READ }
        if revents & POLLOUT != 0 { ready |= HOSTD_FD_WRITE }
        if revents & (POLLERR | POLLHUP | POLLNVAL) != 0 { ready |= HOSTD_FD_ERROR }
        let report = lock.withLock { () -> (@Sendable (UInt32) -> Void)? in
            guard let watch = watches[op], watch.events != 0 else { return nil }
            watches[op]?.events = 0
            return watch.report
        }
        report?(ready)
    }

    private func drainWakeUps() {
        var buffer = [UInt8](repeating: 0, count: 64)
        while read(wakeUp.read, &buffer, buffer.count) == buffer.count {}
    }
}
