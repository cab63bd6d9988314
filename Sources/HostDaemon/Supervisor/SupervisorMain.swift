// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import HostConfig
import Logging
import NIOCore
import NIOPosix
import QueueCore

/// What the command line says, as the supervisor needs it.
package struct SupervisorOptions: Sendable {
    package var configPath: String?
    package var threads: Int?
    /// Passed on to every child: how it logs.
    package var childArguments: [String] = []
    var logger = Logger(label: "hostd.supervisor")
    /// What plays the roles: hostd itself; a test's own program.
    var program = ChildProcess.Program()
    /// Looks through a plugins_dir, with copies in a state_dir.
    var scan: @Sendable (_ directory: String, _ stateDirectory: String) async -> PluginCatalog = { directory, state in
        await PluginScan(directory: directory, stateDirectory: state).run()
    }

    /// How much memory a process has; nil where it is gone.
    var residentBytes: @Sendable (pid_t) -> Int? = { ResidentMemory.bytes(of: $0) }

    package init(configPath: String? = nil, threads: Int? = nil) {
        self.configPath = configPath
        self.threads = threads
    }
}

/// Exit statuses that others rely on (docs/man/hostd.8).
package enum ExitStatus {
    package static let configurationError: Int32 = 1
    /// EX_TEMPFAIL of sysexits.h: all workers are past the soft limit before they did anything.
    package static let memoryLimitPassed: Int32 = 75
}

/// The supervisor's role: hostd without a `--role`.
///
/// Blocks the main thread until the daemon has stopped.
package enum SupervisorMain {
    /// Handled one by one, in the supervisor's own order; blocked in every thread so that they reach `sigwait` alone.
    private static let signals = [SIGTERM, SIGINT, SIGHUP, SIGUSR2, SIGCHLD]

    package static let version = HostVersion.current

    package static func run(_ options: SupervisorOptions) -> Int32 {
        let startedAt = ContinuousClock.now
        keepDescriptorsFromChildren()
        var watched = sigset_t()
        sigemptyset(&watched)
        for number in signals { sigaddset(&watched, number) }
        // Before the first thread is made: threads inherit it. Children get an empty mask.
        pthread_sigmask(SIG_BLOCK, &watched, nil)
        do {
            let deployment = try Deployment.load(options.configPath, threads: options.threads)
            let state = try StateDirectory.open(deployment.config.stateDir)
            try DeadLetterDirectory.prepare(deployment.config.queue.deadLetterDir)
            let inbox = SupervisorInbox()
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            let supervisor = Supervisor(
                options: options,
                deployment: deployment,
                state: state,
                inbox: inbox,
                loop: loop,
                startedAt: startedAt
            )
            forward(watched, to: inbox)
            return try loop.makeFutureWithTask { await supervisor.run() }.wait()
        } catch {
            error.lines.forEach(Supervisor.complain)
            return ExitStatus.configurationError
        }
    }

    /// What whoever started hostd left open is not for plugins.
    ///
    /// 1024: the usual soft limit; what we open ourselves is close-on-exec from the start.
    private static func keepDescriptorsFromChildren() {
        for descriptor in Int32(3)..<1024 { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
    }

    /// On a thread of its own for as long as the process lives.
    private static func forward(_ watched: sigset_t, to inbox: SupervisorInbox) {
        let thread = NIOThreadPool(numberOfThreads: 1)
        thread.start()
        thread.submit { _ in
            var set = watched
            while true {
                var number: Int32 = 0
                if sigwait(&set, &number) == 0 { inbox.put(.signal(number)) }
            }
        }
    }
}
