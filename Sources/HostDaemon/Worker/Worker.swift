// SPDX-License-Identifier: Apache-2.0
package import Control
package import Logging
package import NIOCore
import PluginHost
import QueueCore
import Telemetry
package import WorkerLink

#if canImport(Glibc)
import Glibc
#endif

/// A worker process's conductor: its plugins, which mostly are one, and its way to the supervisor.
///
/// Made by `WorkerMain`, which gives it the supervisor's messages; confined to the worker's one loop, on which the plugins
/// work too. It ends by calling `exit` once.
package final class Worker {
    /// What a worker says and needs besides its configuration; tests take its place.
    package struct Surroundings {
        /// Makes a plugin's way to the broker.
        package var port: (WorkerConfiguration, LinkHello) -> any BrokerPort
        package var send: (ChildMessage) -> Void
        /// Runs once, with the exit status, when the last message is on its way.
        package var exit: (Int32, ChildMessage?) -> Void
        /// The plugin blocks the loop: ends the process at once.
        ///
        /// On the watchdog's thread.
        package var abort: @Sendable (String) -> Void

        package init(
            port: @escaping (WorkerConfiguration, LinkHello) -> any BrokerPort,
            send: @escaping (ChildMessage) -> Void,
            exit: @escaping (Int32, ChildMessage?) -> Void,
            abort: @escaping @Sendable (String) -> Void
        ) {
            self.port = port
            self.send = send
            self.exit = exit
            self.abort = abort
        }
    }

    /// What is in flight may still end by itself when another delivery has condemned the worker.
    private static let condemnedMoment = TimeAmount.seconds(1)
    /// Of a drain's time, so much is the plugin's; the rest is for the last results.
    private static let pluginShare = 0.9
    /// Without a supervisor nobody says how long a drain may take.
    private static let orphanDrain = TimeAmount.seconds(30)

    private let loop: any EventLoop
    private let surroundings: Surroundings
    private let logger: Logger
    private var machine = WorkerStateMachine()
    private var members: [WorkerMember] = []
    private let memoryLog: MemoryLog

    package init(loop: any EventLoop, surroundings: Surroundings, logger: Logger) {
        self.loop = loop
        self.surroundings = surroundings
        self.logger = logger
        memoryLog = MemoryLog(loop: loop) { fields in
            logger.debug("memory", metadata: fields.mapValues { "\($0)" })
        }
    }

    // MARK: - The supervisor's words

    package func receive(_ message: SupervisorMessage) {
        switch message {
        case .configure(.worker(let configuration)):
            perform(machine.handle(.configured), configuration)
        case .change(.worker(let change)):
            if machine.isWorking { members.first?.change(change) }
        case .configure, .change:
            fail("the supervisor sent another role's configuration")
        case .drain(let timeoutMs):
            drain(within: .milliseconds(Int64(Double(timeoutMs) * Self.pluginShare)))
        case .ping(let number):
            let inFlight = members.reduce(0) { $0 + $1.instance.inFlight }
            surroundings.send(
                .pong(
                    number,
                    ChildVitals(
                        residentBytes: ResidentMemory.bytes() ?? 0,
                        inFlight: inFlight,
                        outcomes: members.reduce(into: [:]) { $0.merge($1.instance.tallies) { $1 } }
                    )
                )
            )
        case .request(let request) where request.command == "settle":
            settle(request)
        case .request(let request):
            surroundings.send(.reply(answer(request)))
        case .workerExited:
            break
        }
    }

    /// The supervisor is gone.
    package func supervisorLost() {
        logger.info("the supervisor is gone: the worker drains and ends")
        drain(within: Self.orphanDrain)
    }

    /// Answered when what it was told of sites is done.
    private func settle(_ request: ControlRequest) {
        let reply = { [self] in surroundings.send(.reply(ControlReply(id: request.id, result: .null))) }
        var open = members.count
        guard open > 0 else { return reply() }
        for member in members {
            member.sites.whenSettled {
                open -= 1
                if open == 0 { reply() }
            }
        }
    }

    private func answer(_ request: ControlRequest) -> ControlReply {
        guard request.command == "metrics" else {
            return ControlReply(id: request.id, error: "a worker has no command \"\(request.command)\"")
        }
        do {
            return ControlReply(
                id: request.id,
                result: try JSONValue(encoding: members.flatMap { $0.instance.metrics.samples })
            )
        } catch {
            return ControlReply(id: request.id, error: "metrics can't be written: \(error)")
        }
    }

    private func perform(_ action: WorkerStateMachine.Action, _ configuration: WorkerConfiguration) {
        switch action {
        case .load: load(configuration)
        case .reconfigure: reconfigure(configuration)
        default: break
        }
    }

    private func reconfigure(_ configuration: WorkerConfiguration) {
        memoryLog.set(configuration.debugMemory)
        let parts = configuration.members
        for member in members { member.apply(parts.first { $0.plugin == member.plugin }) }
    }

    // MARK: - Start

    private func load(_ configuration: WorkerConfiguration) {
        do {
            try start(configuration)
        } catch {
            fail("\(error)")
        }
    }

    private func start(_ configuration: WorkerConfiguration) throws {
        for part in configuration.members {
            let member = try WorkerMember(part, surroundings, loop: loop, logger: logger)
            member.instance.onOverdue = { [unowned self] in condemn() }
            member.onConnected = { [unowned self] in
                if members.allSatisfy(\.wasConnected) { surroundings.send(.ready) }
            }
            members.append(member)
        }
        memoryLog.set(configuration.debugMemory)
        // A fresh process would be no smaller: it isn't to begin at all.
        let resident = Int64(ResidentMemory.bytes() ?? 0)
        if configuration.softLimitBytes > 0, resident > configuration.softLimitBytes {
            let (now, limit) = (Figures.bytes(resident), Figures.bytes(configuration.softLimitBytes))
            let text =
                "its memory is \(now) before it has done anything, past queue.softlimit (\(limit)): "
                + "raise workers.memory_limit, or see what the plugin loads"
            return fail(text, .tooLarge)
        }
        for member in members { member.begin() }
    }

    // MARK: - The end

    private func drain(within time: TimeAmount) {
        switch machine.handle(.drain) {
        case .drainSites:
            var open = members.count
            for member in members {
                member.port.refuse([])
                member.sites.drainAll(within: time) { [self] in
                    open -= 1
                    if open == 0 { sitesClosed() }
                }
            }
        case .end(let status):
            surroundings.exit(status.rawValue, .drained)
        default: break
        }
    }

    private func sitesClosed() {
        guard case .end(let status) = machine.handle(.sitesClosed) else { return }
        end(status, .drained, saysFarewell: true)
    }

    /// A delivery missed its deadline: it was reported as overdue.
    ///
    /// Its neighbours get a moment, then they are given back, so that none of them is a suspect.
    private func condemn() {
        guard machine.handle(.overdue) == .condemn else { return }
        for member in members { member.port.refuse([]) }
        loop.assumeIsolated().scheduleTask(in: Self.condemnedMoment) { [self] in
            guard case .end(let status) = machine.handle(.momentOver) else { return }
            for member in members {
                member.instance.giveBackAll("another delivery of this worker missed its deadline")
            }
            end(status, nil)
        }
    }

    /// `saysFarewell`: the plugins get to shut down, each once its results are on their way, so that one that dies in its
    /// shutdown takes none with it.
    private func end(
        _ status: WorkerStateMachine.ExitStatus,
        _ last: ChildMessage?,
        saysFarewell: Bool = false
    ) {
        var open = members.count
        guard open > 0 else { return surroundings.exit(status.rawValue, last) }
        for member in members {
            member.end(shuttingDown: saysFarewell) { [self] in
                open -= 1
                if open == 0 { surroundings.exit(status.rawValue, last) }
            }
        }
    }

    private func fail(_ text: String, _ status: WorkerStateMachine.ExitStatus = .failed) {
        guard case .end = machine.handle(.failed) else { return }
        logger.error("\(text)")
        end(status, .failed(text))
    }
}
