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
    /// What runs; nil: it is never replaced by another.
    var executable: ExecutableFile?
    /// What this process was started with, argv[0] too.
    var commandLine: [String] = []
    /// Left open by whoever started hostd; only another image of it gets them.
    var foreignDescriptors: [Int32] = []
    /// nil: signals come from elsewhere.
    var signals: SignalForwarder?
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

    /// To see whether another executable could go on with this one's configuration and handover.
    var trialArguments: [String] { commandLine.dropFirst() + ["--check", "--handover-format", "\(Handover.format)"] }
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
    package static let version = HostVersion.current

    package static func run(_ options: SupervisorOptions) -> Int32 {
        let startedAt = ContinuousClock.now
        let handover = Handover.received()
        let foreign = keepDescriptorsFromChildren()
        var watched = SignalForwarder.watched
        // Before the first thread is made: threads inherit it. Children get an empty mask.
        pthread_sigmask(SIG_BLOCK, &watched, nil)
        do {
            var deployment = try Deployment.load(options.configPath, threads: options.threads)
            let state: StateDirectory
            if let handover {
                if deployment.config.stateDir != handover.stateDirectory {
                    options.logger.warning("a changed state_dir waits for a stop and a start of hostd")
                    deployment.config.stateDir = handover.stateDirectory
                }
                state = .adopted(handover.stateDirectory, lock: handover.lock)
            } else {
                state = try StateDirectory.open(deployment.config.stateDir)
            }
            try DeadLetterDirectory.prepare(deployment.config.queue.deadLetterDir)
            let inbox = SupervisorInbox()
            let signals = SignalForwarder(inbox)
            var options = options
            options.executable = .running()
            options.commandLine = CommandLine.arguments
            options.signals = signals
            options.foreignDescriptors = handover?.foreign ?? foreign
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            let supervisor = Supervisor(
                options: options,
                deployment: deployment,
                state: state,
                inbox: inbox,
                loop: loop,
                startedAt: startedAt
            )
            signals.start()
            return try loop.makeFutureWithTask { await supervisor.run(after: handover) }.wait()
        } catch {
            error.lines.forEach(Supervisor.complain)
            return ExitStatus.configurationError
        }
    }

    /// What whoever started hostd left open is not for plugins; returns it.
    ///
    /// What we open ourselves is close-on-exec from the start.
    private static func keepDescriptorsFromChildren() -> [Int32] {
        Handover.openDescriptors.filter { descriptor in
            let flags = fcntl(descriptor, F_GETFD)
            guard flags >= 0, flags & FD_CLOEXEC == 0 else { return false }
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            return true
        }
    }
}
