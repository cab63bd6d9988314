// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A probe process: started, listened to, killed if need be, and waited for exactly once.
///
/// Used by one thread. posix_spawn, never fork: hostd has threads. The child gets no secret from the environment, and a
/// process group of its own, so that what a constructor started dies with it. Descriptors are close-on-exec; the probe
/// closes what slipped through.
final class ProbeChild {
    /// How a child ended.
    enum Death: Equatable {
        case signal(Int32)
        case exit(Int32)
        /// Somebody else waited for our child.
        case unknown

        var words: String {
            switch self {
            // SIGXCPU: the probe's own limit of CPU time; SIGALRM: its alarm.
            case .signal(SIGXCPU), .signal(SIGALRM): "time limit"
            case .signal(let number): strsignal(number).map { String(cString: $0) } ?? "signal \(number)"
            case .exit(0): "exit() while loading"
            case .exit(let status): "exit(\(status)) while loading"
            case .unknown: "its end was not seen"
            }
        }
    }

    private let process: pid_t
    /// The other end is the child's standard output.
    private let output: Int32

    init(executable: String, arguments: [String]) throws(PluginFilesError) {
        // A socket pair, since pipe() can't be close-on-exec from the start, and Swift doesn't see pipe2.
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else {
            throw .spawn(executable: executable, why: String(errorNumber: errno))
        }
        let (reading, writing) = (ends[0], ends[1])
        defer { close(writing) }
        var process: pid_t = 0
        let status = Self.spawn(executable, arguments, output: writing, process: &process)
        guard status == 0 else {
            close(reading)
            throw .spawn(executable: executable, why: String(errorNumber: status))
        }
        self.process = process
        output = reading
    }

    deinit { close(output) }

    /// The first line that the child writes, nil if it ends, or time is up, before.
    func answer(until deadline: ContinuousClock.Instant) -> [UInt8]? {
        var line: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while line.count < 1 << 20 {
            var readable = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
            let ready = poll(&readable, 1, Self.milliseconds(until: deadline))
            if ready < 0, errno == EINTR { continue }
            guard ready > 0 else { return nil }
            let count = read(output, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return nil }
            if let end = buffer[..<count].firstIndex(of: UInt8(ascii: "\n")) { return line + buffer[..<end] }
            line += buffer[..<count]
        }
        return nil
    }

    func kill() {
        Glibc.kill(-process, SIGKILL)
        // The group may not exist yet where the child's exec is still under way.
        Glibc.kill(process, SIGKILL)
    }

    /// Waits for the end; only after kill() is that sure to come soon.
    func wait() -> Death { reap(options: 0) ?? .unknown }

    /// nil if it still runs when time is up.
    ///
    /// An ended child's output closes first, so this is nearly always at once.
    func wait(until deadline: ContinuousClock.Instant) -> Death? {
        while true {
            if let death = reap(options: WNOHANG) { return death }
            guard Self.milliseconds(until: deadline) > 0 else { return nil }
            poll(nil, 0, 5)
        }
    }

    private func reap(options: Int32) -> Death? {
        var status: Int32 = 0
        var reaped: pid_t
        repeat { reaped = waitpid(process, &status, options) } while reaped < 0 && errno == EINTR
        if reaped == 0 { return nil }
        guard reaped == process else { return .unknown }
        // WIFEXITED, WEXITSTATUS and WTERMSIG are macros that Swift doesn't see.
        let signal = status & 0x7f
        return signal == 0 ? .exit((status >> 8) & 0xff) : .signal(signal)
    }

    private static func milliseconds(until deadline: ContinuousClock.Instant) -> Int32 {
        let (seconds, attoseconds) = (deadline - .now).components
        return Int32(clamping: max(0, seconds * 1000 + attoseconds / 1_000_000_000_000_000))
    }
}

extension ProbeChild {
    private static func spawn(
        _ executable: String,
        _ arguments: [String],
        output: Int32,
        process: inout pid_t
    ) -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var (none, all) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP)
        )

        // Unsafe: C wants arrays of strings that end with NULL; they live until posix_spawn has copied them.
        let argv = arguments.map { strdup($0) } + [nil]
        let environment = self.environment().map { strdup($0) } + [nil]
        defer { for string in argv + environment { free(string) } }
        return posix_spawn(&process, executable, &actions, &attributes, argv, environment)
    }

    /// What a loader, a locale or a sanitizer needs.
    ///
    /// No LD_*, which would load other code; none of hostd's secrets.
    private static func environment() -> [String] {
        let kept = ["PATH", "LANG", "LC_ALL", "TZ", "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"]
        let values = kept.compactMap { name in getenv(name).map { "\(name)=\(String(cString: $0))" } }
        // A plugin's crash is an answer here: no report of it is wanted, nor the second that it takes.
        return values + ["SWIFT_BACKTRACE=enable=no"]
    }
}
