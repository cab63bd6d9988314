// SPDX-License-Identifier: Apache-2.0
import Glibc
import HostConfig
import NIOPosix

/// Watches plugins.d with inotify and says when it has changed and settled.
///
/// A folder that isn't there, or goes away, or is put in the place of another, is found by a look a second. A thread of
/// its own; ends with `stop`. Files on a network file system that another machine writes give no events.
final class PluginWatch: Sendable {
    /// While a folder can't be watched, and to see that it is still the one at its path.
    private static let lookMs: Int32 = 1000

    let directory: String
    /// Its closing wakes and ends the thread.
    private let stopper: Int32

    /// `settled` is called on the watch's thread, after each change; `unfinished` when files have stayed open for
    /// writing for a while, so that nothing is read: once each time.
    init(
        _ directory: String,
        unfinished: @escaping @Sendable ([String]) -> Void = { _ in },
        settled: @escaping @Sendable () -> Void
    ) throws(SupervisorError) {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw .watch(directory, reason: systemReason(errno))
        }
        let events = inotify_init1(Int32(IN_NONBLOCK | IN_CLOEXEC))
        guard events >= 0 else {
            let code = errno
            close(ends[0])
            close(ends[1])
            throw .watch(directory, reason: systemReason(code))
        }
        self.directory = directory
        stopper = ends[0]
        let wakener = ends[1]
        var watcher = Watcher(directory: directory, events: events, unfinished: unfinished, settled: settled)
        // Before this returns: what changes from now on is noticed.
        watcher.watch()
        let started = watcher
        let pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
        pool.submit { _ in
            var watcher = started
            watcher.run(until: wakener, lookMs: Self.lookMs)
            close(events)
            close(wakener)
            pool.shutdownGracefully { _ in }
        }
    }

    deinit { close(stopper) }
}

/// The thread's own.
private struct Watcher {
    /// A writer that takes longer is worth a line.
    private static let patience = Duration.seconds(10)
    private static let mask = UInt32(
        IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_DELETE_SELF
            | IN_MOVE_SELF | IN_ONLYDIR
    )

    let directory: String
    let events: Int32
    let unfinished: @Sendable ([String]) -> Void
    let settled: @Sendable () -> Void
    private let start = ContinuousClock.now
    private var settling = PluginSettling()
    private var watched: Watched?
    private var lastEvent = Duration.zero
    private var isTold = false

    private struct Watched {
        var descriptor: Int32
        var device: UInt64
        var inode: UInt64
    }

    init(
        directory: String,
        events: Int32,
        unfinished: @escaping @Sendable ([String]) -> Void,
        settled: @escaping @Sendable () -> Void
    ) {
        self.directory = directory
        self.events = events
        self.unfinished = unfinished
        self.settled = settled
    }

    private var now: Duration { ContinuousClock.now - start }

    /// False where the folder can't be watched now.
    @discardableResult
    mutating func watch() -> Bool {
        let descriptor = inotify_add_watch(events, directory, Self.mask)
        var status = stat()
        guard descriptor >= 0, stat(directory, &status) == 0 else { return false }
        watched = Watched(descriptor: descriptor, device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
        return true
    }

    mutating func run(until wakener: Int32, lookMs: Int32) {
        while true {
            var descriptors = [
                pollfd(fd: wakener, events: Int16(POLLIN), revents: 0),
                pollfd(fd: events, events: Int16(POLLIN), revents: 0),
            ]
            _ = poll(&descriptors, nfds_t(descriptors.count), waitMs(atMost: lookMs))
            if descriptors[0].revents != 0 { return }
            if descriptors[1].revents != 0 { read() }
            lookAtFolder()
            step()
        }
    }

    private func waitMs(atMost limit: Int32) -> Int32 {
        switch settling.next(at: now) {
        case .wait(until: let time?): min(limit, Int32(clamping: (time - now).wholeMilliseconds + 1))
        case .wait(until: nil): limit
        case .look, .settled: 0
        }
    }

    private mutating func step() {
        guard settling.next(at: now) == .look else { return }
        if settling.looked(fingerprint(), at: now) == .settled {
            settled()
        } else if !isTold, !settling.writing.isEmpty, now - lastEvent > Self.patience {
            isTold = true
            unfinished(settling.writing)
        }
    }

    private mutating func happened(_ event: PluginSettling.Event) {
        lastEvent = now
        isTold = false
        settling.happened(event, at: now)
    }

    /// Sees whether the path still, or again, leads to the folder that is watched.
    private mutating func lookAtFolder() {
        var status = stat()
        let isThere = stat(directory, &status) == 0
        if let old = watched {
            if isThere, UInt64(status.st_dev) == old.device, UInt64(status.st_ino) == old.inode { return }
            inotify_rm_watch(events, old.descriptor)
            watched = nil
            happened(.restarted)
        }
        if isThere, watch() { happened(.restarted) }
    }

    private mutating func read() {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = Glibc.read(events, &buffer, buffer.count)
            guard count > 0 else { return }
            take(buffer[..<count])
        }
    }

    /// inotify(7): an event is wd, mask, cookie and the name's length, 32 bits each, then the name, padded with NUL.
    private mutating func take(_ bytes: ArraySlice<UInt8>) {
        var rest = bytes
        while rest.count >= 16 {
            let words = rest.withUnsafeBytes { bytes in
                (0..<4).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self) }
            }
            let end = rest.startIndex + 16 + Int(words[3])
            guard end <= rest.endIndex else { return }
            let name = String(decoding: rest[(rest.startIndex + 16)..<end].prefix { $0 != 0 }, as: UTF8.self)
            rest = rest[end...]
            // Words of a folder that was watched before; a lost event belongs to none.
            if words[1] & UInt32(IN_Q_OVERFLOW) == 0, Int32(bitPattern: words[0]) != watched?.descriptor { continue }
            take(words[1], name)
        }
    }

    private mutating func take(_ mask: UInt32, _ name: String) {
        func has(_ bits: Int32) -> Bool { mask & UInt32(bits) != 0 }
        if has(IN_IGNORED | IN_UNMOUNT | IN_DELETE_SELF | IN_MOVE_SELF) {
            if !has(IN_IGNORED), let old = watched { inotify_rm_watch(events, old.descriptor) }
            watched = nil
            happened(.restarted)
        } else if has(IN_Q_OVERFLOW) {
            happened(.restarted)
        } else if name.isEmpty {
            happened(.changed)
        } else if !PluginSettling.isPlugin(name) {
            return
        } else if has(IN_CLOSE_WRITE | IN_MOVED_TO) {
            happened(.completed(name))
        } else if has(IN_DELETE | IN_MOVED_FROM) {
            happened(.gone(name))
        } else if has(IN_CREATE) {
            happened(.created(name))
        } else if has(IN_MODIFY) {
            happened(.written(name))
        } else {
            happened(.changed)
        }
    }

    private func fingerprint() -> PluginSettling.Fingerprint {
        var found = PluginSettling.Fingerprint()
        guard let folder = opendir(directory) else { return found }
        defer { closedir(folder) }
        while let entry = readdir(folder) {
            // Unsafe: d_name is a NUL-terminated array inside the entry, which lives until the next readdir.
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            var status = stat()
            guard PluginSettling.isPlugin(name), fstatat(dirfd(folder), name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
                continue
            }
            found.files[name] = PluginSettling.Fingerprint.File(
                inode: UInt64(status.st_ino),
                size: Int64(status.st_size),
                modifiedNs: Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
            )
        }
        return found
    }
}
