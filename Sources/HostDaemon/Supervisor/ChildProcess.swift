// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc

/// One child as the system sees it: started with a socket to talk over, reaped exactly once.
///
/// The supervisor's only.
struct ChildProcess: Sendable {
    /// How a child is started.
    ///
    /// The default is hostd itself; tests have programs of their own.
    struct Program: Sendable {
        var path = "/proc/self/exe"
        var arguments = ["hostd"]
    }

    let pid: pid_t
    /// Our end of the socket pair; whoever takes it closes it.
    let descriptor: Int32

    /// Starts a program, with its end of the channel as descriptor 3.
    ///
    /// `inherited`: what it gets as its descriptors 4, 5, ..., such as the broker's lock and its sockets. `hearsOutput`: what it prints comes over the channel too.
    static func spawn(
        _ program: Program,
        arguments: [String],
        environment: [String],
        inherited: [Int32] = [],
        hearsOutput: Bool = false
    ) throws(SupervisorError) -> ChildProcess {
        let name = arguments.joined(separator: " ")
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw .spawn(name, reason: systemReason(errno))
        }
        defer { close(ends[1]) }
        var pid: pid_t = 0
        let status = start(
            program,
            program.arguments + arguments,
            environment,
            channel: ends[1],
            inherited: inherited,
            hearsOutput: hearsOutput,
            pid: &pid
        )
        guard status == 0 else {
            close(ends[0])
            throw .spawn(name, reason: systemReason(status))
        }
        return ChildProcess(pid: pid, descriptor: ends[0])
    }

    /// The child gets: its channel, stdout and stderr, nothing else of ours, since all else is close-on-exec; no signal
    /// blocked or ignored; a process group of its own, so that a Ctrl-C in the terminal reaches the supervisor alone.
    private static func start(
        _ program: Program,
        _ arguments: [String],
        _ environment: [String],
        channel: Int32,
        inherited: [Int32],
        hearsOutput: Bool,
        pid: inout pid_t
    ) -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        // Copies above all that the child gets: a dup2 must not tread on what a later one needs.
        let highest = ChildChannel.descriptor + Int32(inherited.count) + 1
        let sources = ([channel] + inherited).map { fcntl($0, F_DUPFD_CLOEXEC, highest) }
        defer { for source in sources where source >= 0 { close(source) } }
        guard sources.allSatisfy({ $0 >= 0 }) else { return errno }
        for (target, source) in zip(ChildChannel.descriptor..., sources) {
            posix_spawn_file_actions_adddup2(&actions, source, target)
        }
        if hearsOutput {
            for target in [STDOUT_FILENO, STDERR_FILENO] {
                posix_spawn_file_actions_adddup2(&actions, ChildChannel.descriptor, target)
            }
        }

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var (none, all) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setpgroup(&attributes, 0)
        let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP
        posix_spawnattr_setflags(&attributes, Int16(flags))

        // Unsafe: C wants arrays of strings that end with NULL; they live until posix_spawn has copied them.
        let argv = arguments.map { strdup($0) } + [nil]
        let envp = environment.map { strdup($0) } + [nil]
        defer { for string in argv + envp { free(string) } }
        return posix_spawn(&pid, program.path, &actions, &attributes, argv, envp)
    }

    /// Where the machine runs out of memory, the kernel is to end it before broker and supervisor: it can be replaced.
    ///
    /// Best effort.
    func offerToMemoryShortage() {
        let file = open("/proc/\(pid)/oom_score_adj", O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        _ = write(file, "500", 3)
        close(file)
    }

    /// nil while it runs.
    func reap() -> EndCause? {
        var status: Int32 = 0
        return waitpid(pid, &status, WNOHANG) == pid ? EndCause(waitStatus: status) : nil
    }

    /// With all that it started.
    ///
    /// The pid is surely its own: it hasn't been reaped.
    func kill() {
        if Glibc.kill(-pid, SIGKILL) != 0 { _ = Glibc.kill(pid, SIGKILL) }
    }

    /// What children see of our environment: nothing of systemd's dialogue with us, and for workers no LD_*, which
    /// would put other code into a plugin's process.
    static func environment(of role: Role, from all: [String] = currentEnvironment) -> [String] {
        let ours = [
            "NOTIFY_SOCKET=", "WATCHDOG_USEC=", "WATCHDOG_PID=", "LISTEN_PID=", "LISTEN_FDS=", "LISTEN_FDNAMES=",
            Handover.variable + "=",
        ]
        return all.filter { entry in
            !ours.contains { entry.hasPrefix($0) } && !(role == .worker && entry.hasPrefix("LD_"))
        }
    }

    static var currentEnvironment: [String] {
        var all: [String] = []
        // Unsafe: C's list of strings, ended by NULL. Nobody in this process changes the environment.
        var entry = environ
        while let text = entry.pointee {
            all.append(String(cString: text))
            entry += 1
        }
        return all
    }
}
