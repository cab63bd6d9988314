// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import Logging
import NIOCore
import NIOPosix

/// The worker role's main: one thread with one event loop for the plugin, the broker link and HTTP.
package enum WorkerMain {
    /// Works until the supervisor says drain, is gone, or the plugin can't go on; returns the exit status.
    package static func run(channelDescriptor: Int32 = ChildChannel.descriptor) -> Int32 {
        // The lock of a singleton's worker, where it has one: not for programs that a plugin starts.
        _ = fcntl(ChildChannel.descriptor + 1, F_SETFD, FD_CLOEXEC)
        raiseDescriptorLimit()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        let exit = loop.makePromise(of: Int32.self)
        loop.execute { open(channelDescriptor, loop, exit) }
        do {
            return try exit.futureResult.wait()
        } catch {
            return WorkerStateMachine.ExitStatus.failed.rawValue
        }
    }

    private static func open(_ descriptor: Int32, _ loop: any EventLoop, _ exit: EventLoopPromise<Int32>) {
        let logger = Logger(label: "worker")
        let supervisor = SupervisorLine()
        let worker = Worker(loop: loop, surroundings: surroundings(loop, supervisor, exit, logger), logger: logger)
        let bound = NIOLoopBound((worker, supervisor), eventLoop: loop)
        ChildChannel.open(
            descriptor: descriptor,
            on: loop,
            receive: { message in
                let (worker, supervisor) = bound.value
                supervisor.received(message, worker)
            },
            lost: { bound.value.0.supervisorLost() }
        ).whenComplete { result in
            let (worker, supervisor) = bound.value
            switch result {
            case .success(let channel): supervisor.opened(channel, worker)
            case .failure: exit.succeed(WorkerStateMachine.ExitStatus.failed.rawValue)
            }
        }
    }

    private static func surroundings(
        _ loop: any EventLoop,
        _ supervisor: SupervisorLine,
        _ exit: EventLoopPromise<Int32>,
        _ logger: Logger
    ) -> Worker.Surroundings {
        Worker.Surroundings(
            port: { configuration, hello in
                EmbeddedBrokerPort(loop: loop, socketPath: configuration.workerSocket, hello: hello, logger: logger)
            },
            send: { supervisor.channel?.send($0) },
            exit: { status, last in
                guard let channel = supervisor.channel, let last else { return exit.succeed(status) }
                channel.sendLast(last).whenComplete { _ in exit.succeed(status) }
            },
            abort: { line in
                logger.critical("\(line)")
                _exit(WorkerStateMachine.ExitStatus.overdue.rawValue)
            }
        )
    }

    /// A connection per target host adds up; what a soft limit guards against (select(2)) isn't used here.
    private static func raiseDescriptorLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}

/// The channel to the supervisor, and what came before it was open.
///
/// Confined to the worker's loop.
private final class SupervisorLine {
    private(set) var channel: ChildChannel?
    private var early: [SupervisorMessage] = []

    func received(_ message: SupervisorMessage, _ worker: Worker) {
        if channel == nil { early.append(message) } else { worker.receive(message) }
    }

    func opened(_ channel: ChildChannel, _ worker: Worker) {
        self.channel = channel
        for message in early { worker.receive(message) }
        early = []
    }
}
