// SPDX-License-Identifier: Apache-2.0
import Glibc
import QueueCore
import TestSupport
import Testing

@testable import Control
@testable import Supervisor

@Suite struct HandoverTests {
    private let omb = PluginName(unchecked: "omb")

    private func handover() throws -> Handover {
        var worker = Handover.Child(
            slot: .worker(omb, generation: 3, index: 1),
            pid: 4711,
            descriptor: 17,
            state: .ready,
            version: "0.9"
        )
        worker.remainder.unread = Array("{\"pong".utf8)
        worker.remainder.lastRequest = 12
        worker.told = try JSONValue(encoding: RoleConfiguration.broker(BrokerConfiguration(stateDirectory: "/state")))
        worker.siteErrors = [SiteName(unchecked: "alice"): "no secret"]
        let code = LoadablePlugin(path: "/copy.so", descriptor: FakePlugins.descriptor())
        var handover = Handover(
            pid: 100,
            version: "0.9",
            linkVersion: 1,
            stateDirectory: "/state",
            lock: 9,
            doors: BrokerDoors(
                workers: ListeningSocket(descriptor: 11),
                local: ListeningSocket(descriptor: 12),
                network: ListeningSocket(descriptor: 13)
            ),
            control: ControlServer.Handed(listener: ListeningSocket(descriptor: 10), connections: []),
            children: [
                worker, Handover.Child(slot: .broker, pid: 4712, descriptor: nil, state: .draining, version: "0.9"),
            ],
            running: [omb: SpawnPlan.RunningPlugin(code: code, generation: 3)],
            askedMsAgo: 120
        )
        handover.deaths = [Supervisor.DeathKey(plugins: "omb", cause: "segv"): 2]
        handover.foreign = [5]
        handover.console = ConsoleDoor(host: "127.0.0.1", port: 7780, socket: ListeningSocket(descriptor: 14))
        handover.hunted = [omb]
        var troubles = SiteTroubles()
        troubles.died(opening: SiteName(unchecked: "bob"), of: omb, reason: "segv", at: .seconds(3))
        handover.troubles = troubles
        return handover
    }

    @Test("It is read as it was written")
    func roundTrip() throws {
        let handover = try handover()
        #expect(Handover.decoded(try handover.encoded(), pid: 100) == handover)
    }

    @Test("Another process's, another format's and what is no handover are not taken")
    func refused() throws {
        var handover = try handover()
        #expect(Handover.decoded(try handover.encoded(), pid: 101) == nil)
        handover.format += 1
        #expect(Handover.decoded(try handover.encoded(), pid: 100) == nil)
        #expect(Handover.decoded(Array("{}".utf8), pid: 100) == nil)
        #expect(Handover.decoded([], pid: 100) == nil)
    }

    @Test("What stays open is each descriptor in it; a child whose line is lost has none")
    func descriptors() throws {
        #expect(try Set(handover().descriptors) == [5, 9, 10, 11, 12, 13, 14, 17])
    }

    @Test("Members that a later version adds don't keep it from being read")
    func laterMembers() throws {
        let text = String(decoding: try handover().encoded(), as: UTF8.self)
        let more = "{\"invented\":{\"by\":[\"a later version\"]}," + text.dropFirst()
        #expect(Handover.decoded(Array(more.utf8), pid: 100) == (try handover()))
    }

    @Test("A child's state crosses as what it was")
    func states() {
        let states: [SlotStateMachine.State] = [.starting, .ready(since: .seconds(9)), .draining]
        for state in states {
            let handed = state.handed.map { SlotStateMachine.State($0, now: .seconds(9)) }
            #expect(handed == state)
        }
        // What nobody wants is drained at once, and not refilled then.
        #expect(SlotStateMachine.State(.killed, now: .zero) == .killed(isRefilled: true))
        #expect(SlotStateMachine.State.waiting.handed == nil && SlotStateMachine.State.dead.handed == nil)
    }
}

@Suite struct TakeoverSequenceTests {
    @Test("The broker goes last, and first where workers couldn't talk to it")
    func order() {
        #expect(TakeoverSequence(linkChanged: false).rest == [.workers, .console, .broker])
        #expect(TakeoverSequence(linkChanged: true).rest == [.broker, .workers, .console])
    }

    @Test("A step ends once, and none out of turn")
    func steps() {
        var sequence = TakeoverSequence(linkChanged: false)
        sequence.finish(.broker)
        #expect(sequence.step == .workers)
        for step in [TakeoverSequence.Step.workers, .console, .broker] {
            #expect(sequence.step == step)
            sequence.finish(step)
        }
        #expect(sequence.step == nil)
        sequence.finish(.broker)
        #expect(sequence.step == nil)
    }
}
