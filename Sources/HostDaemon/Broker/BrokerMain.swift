// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import Logging
import NIOCore
import NIOPosix
import QueueStore

/// The broker role: one process, one event loop for all connections and decisions, two threads for the store.
package enum BrokerMain {
    /// Serves until the supervisor says drain or is gone; returns the process's exit status.
    package static func run(channelDescriptor: Int32 = ChildChannel.descriptor) -> Int32 {
        // Before anything else is opened, which would take their numbers where there are none.
        let doors = BrokerDoors.inherited()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        let promise = loop.makePromise(of: Int32.self)
        loop.execute {
            let process = BrokerProcess(loop: loop, group: group, doors: doors, exit: promise)
            process.open(channelDescriptor)
        }
        do {
            return try promise.futureResult.wait()
        } catch {
            return 1
        }
    }
}

/// The broker's life: configure, serve, drain.
///
/// Confined to the broker's loop.
private final class BrokerProcess {
    private let loop: any EventLoop
    private let group: MultiThreadedEventLoopGroup
    private let doors: BrokerDoors?
    private let exit: EventLoopPromise<Int32>
    private let log = Logger(label: "broker")
    private var channel: ChildChannel?
    private var core: BrokerCore?
    private var listeners: Listeners?
    private var early: [SupervisorMessage] = []
    private var isDraining = false
    private let memoryLog: MemoryLog

    /// Of a drain's time, so much is for the workers; the rest is for producers and the store.
    private static let workersShare = 0.8
    /// Clients that don't close their end are not waited for any longer.
    private static let goodbye = TimeAmount.milliseconds(500)

    init(
        loop: any EventLoop,
        group: MultiThreadedEventLoopGroup,
        doors: BrokerDoors?,
        exit: EventLoopPromise<Int32>
    ) {
        self.loop = loop
        self.group = group
        self.doors = doors
        self.exit = exit
        memoryLog = MemoryLog(loop: loop) { [log] fields in
            log.debug("memory", metadata: fields.mapValues { "\($0)" })
        }
    }

    func open(_ descriptor: Int32) {
        // The process object lives as long as the process: the callbacks hold it.
        let me = NIOLoopBound(self, eventLoop: loop)
        ChildChannel.open(descriptor: descriptor, on: loop) { message in
            me.value.receive(message)
        } lost: {
            me.value.log.info("the supervisor is gone: the broker ends")
            me.value.drain(within: .zero)
        }.whenComplete { result in
            switch result {
            case .success(let channel):
                me.value.channel = channel
                for message in me.value.early { me.value.receive(message) }
                me.value.early = []
            case .failure: me.value.exit.succeed(1)
            }
        }
    }

    private func receive(_ message: SupervisorMessage) {
        guard let channel else {
            early.append(message)
            return
        }
        switch message {
        case .configure(.broker(let configuration)):
            if let core { core.configure(configuration) } else { start(configuration) }
            memoryLog.set(configuration.debugMemory)
        case .change(.broker(let change)): core?.change(change)
        case .configure, .change: fail("the supervisor sent another role's configuration")
        case .drain(let timeoutMs): drain(within: .milliseconds(Int64(Double(timeoutMs) * Self.workersShare)))
        case .ping(let number):
            let inFlight = core?.dispatcher.lines.values.reduce(0) { sum, line in
                line.sources.values.reduce(sum) { $0 + $1.claimed }
            }
            channel.send(
                .pong(number, ChildVitals(residentBytes: ResidentMemory.bytes() ?? 0, inFlight: inFlight ?? 0))
            )
        case .workerExited(let pid, let cause): listeners?.workers.exited(pid: pid, cause: cause)
        case .request(let request):
            guard let core, let listeners else {
                channel.send(.reply(ControlReply(id: request.id, error: "the broker is starting: try again")))
                return
            }
            BrokerCommands(core: core, listeners: listeners) { channel.send(.reply($0)) }.answer(request)
        }
    }

    private func start(_ configuration: BrokerConfiguration) {
        guard let channel else { return }
        let loop = loop
        let store: QueueStore
        do throws(QueueStoreError) {
            store = try QueueStore(path: configuration.storePath) { work in loop.execute(work) }
        } catch {
            fail("\(error)")
            return
        }
        store.holdReserve()
        let core = BrokerCore(
            configuration: configuration,
            loop: loop,
            store: store,
            clock: SystemBrokerClock(stateDirectory: configuration.stateDirectory),
            log: log
        )
        core.sendCommand = { channel.send(.command($0, $1)) }
        core.dispatcher.sendHunted = { channel.send(.hunters($0)) }
        let listeners = Listeners(core, WorkerRegistry(loop: loop, log: log))
        self.core = core
        self.listeners = listeners
        let me = NIOLoopBound(self, eventLoop: loop)
        core.start { error in
            if let error {
                me.value.fail("\(error)")
                return
            }
            me.value.listen()
        }
    }

    private func listen() {
        guard let listeners, let core else { return }
        let me = NIOLoopBound(self, eventLoop: loop)
        let address = core.configuration.listenHost.map { "\($0):\(core.configuration.listenPort)" } ?? ""
        listeners.open(group: group, doors: doors).whenComplete { result in
            switch result {
            case .success: me.value.channel?.send(.ready)
            case .failure(let error):
                me.value.fail("the broker can't listen on \(address) (\(error)): is the port taken? see queue.listen")
            }
        }
    }

    private func fail(_ text: String) {
        log.error("\(text)")
        let exit = exit
        guard let channel else {
            exit.succeed(1)
            return
        }
        channel.sendLast(.failed(text)).whenComplete { _ in exit.succeed(1) }
    }

    /// Hands out no more, lets workers settle what they hold while producers are served on, and ends.
    private func drain(within limit: TimeAmount) {
        guard !isDraining else { return }
        isDraining = true
        guard let core, let listeners else {
            doors?.close()
            exit.succeed(0)
            return
        }
        core.dispatcher.isStopping = true
        let me = NIOLoopBound(self, eventLoop: loop)
        wait(within: limit, while: { listeners.inFlight > 0 }) {
            listeners.close()
            listeners.endSessions()
            me.value.wait(within: Self.goodbye, while: { listeners.hasSessions }) { me.value.end() }
        }
    }

    /// Looks again and again: a drain is rare, and what it waits for comes from many sides.
    private func wait(within limit: TimeAmount, while condition: @escaping () -> Bool, then next: @escaping () -> Void)
    {
        guard condition(), limit > .zero else { return next() }
        let pause = TimeAmount.milliseconds(10)
        let bound = NIOLoopBound((self, condition, next), eventLoop: loop)
        loop.scheduleTask(in: pause) {
            let (process, condition, next) = bound.value
            process.wait(within: limit - pause, while: condition, then: next)
        }
    }

    /// Writes what there is.
    private func end() {
        guard let core else { return }
        let channel = channel
        let exit = exit
        core.dispatcher.flushWrites()
        core.deadFiles.stop {
            core.store.close {
                guard let channel else {
                    exit.succeed(0)
                    return
                }
                channel.sendLast(.drained).whenComplete { _ in exit.succeed(0) }
            }
        }
    }
}
