// SPDX-License-Identifier: Apache-2.0
import PluginABI
import Testing

@testable import PluginHost

@Suite struct StreamStateMachineTests {
    private func open() -> StreamStateMachine {
        var machine = StreamStateMachine(usesTLS: false)
        _ = machine.tcpConnected()
        return machine
    }

    @Test("With TLS from the first byte CONNECTED follows the handshake; SECURED is start_tls()'s answer")
    func events() {
        var direct = StreamStateMachine(usesTLS: true)
        let needsHandshake = direct.tcpConnected()
        #expect(needsHandshake && direct.state == .handshaking && direct.reads)
        let first = direct.handshakeCompleted()
        let second = direct.handshakeCompleted()
        #expect(first == HOSTD_S_CONNECTED && second == nil && direct.state == .open)
        let again = direct.startTLS()
        #expect(again == HOSTD_E_INVAL)

        var later = open()
        let started = later.startTLS()
        let during = later.write(1)
        let secured = later.handshakeCompleted()
        let after = later.write(1)
        #expect(started == HOSTD_OK && during == HOSTD_E_INVAL && secured == HOSTD_S_SECURED && after == HOSTD_OK)
    }

    @Test("Nothing is written before the stream is connected, or after its end")
    func writes() {
        var machine = StreamStateMachine(usesTLS: false)
        let early = machine.write(1)
        _ = machine.tcpConnected()
        let open = machine.write(1)
        let closing = machine.close()
        let late = machine.write(1)
        let again = machine.close()
        #expect(early == HOSTD_E_INVAL && open == HOSTD_OK && late == HOSTD_E_STALE)
        #expect(closing == .flushThenClose && again == .nothing)
        let ended = machine.end()
        let endedAgain = machine.end()
        #expect(ended && !endedAgain && !machine.reads)
    }

    @Test("A write over the high-water mark is refused, and the one who was refused is told once")
    func waterMarks() {
        var machine = open()
        let whole = machine.write(StreamStateMachine.highWaterMark)
        let refused = machine.write(1)
        let notYet = machine.sent(1)
        let told = machine.sent(StreamStateMachine.highWaterMark - StreamStateMachine.lowWaterMark)
        let onlyOnce = machine.sent(1)
        #expect(whole == HOSTD_OK && refused == HOSTD_E_LIMIT && !notYet && told && !onlyOnce)
        // Nobody waits for it.
        var other = open()
        _ = other.write(StreamStateMachine.highWaterMark)
        let untold = other.sent(StreamStateMachine.highWaterMark)
        #expect(!untold && other.unsentBytes == 0)
    }

    @Test("Paused, nothing is read, except for a handshake")
    func pause() {
        var machine = open()
        machine.pause(true)
        #expect(!machine.reads)
        _ = machine.startTLS()
        #expect(machine.reads)
        _ = machine.handshakeCompleted()
        #expect(!machine.reads)
        machine.pause(false)
        #expect(machine.reads)
    }

    @Test("Closed before it is connected it is dropped")
    func earlyClose() {
        var machine = StreamStateMachine(usesTLS: true)
        let action = machine.close()
        let connects = machine.tcpConnected()
        #expect(action == .drop && !connects && machine.state == .closing)
    }
}
