// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing

@testable import Supervisor

@Suite struct EndCauseTests {
    @Test("An exit is told from a death by signal, in words")
    func words() {
        #expect(EndCause(waitStatus: 0) == .exited(status: 0))
        #expect(EndCause(waitStatus: 3 << 8) == .exited(status: 3))
        #expect("\(EndCause(waitStatus: 3 << 8))" == "exit status 3")
        #expect(EndCause(waitStatus: SIGSEGV) == .killed(signal: SIGSEGV))
        #expect("\(EndCause(waitStatus: SIGSEGV | 0x80))" == "signal 11 (Segmentation fault)", "with a core dump")
    }

    @Test("Only exit status 0 is clean")
    func clean() {
        #expect(EndCause.exited(status: 0).isClean)
        #expect(!EndCause.exited(status: 1).isClean)
        #expect(!EndCause.killed(signal: SIGKILL).isClean)
    }

    @Test("A metric's label is one of a fixed set of words")
    func labels() {
        #expect(EndCause.exited(status: 99).label == "exit")
        #expect(EndCause.killed(signal: SIGKILL).label == "kill")
        #expect(EndCause.killed(signal: 63).label == "signal")
    }
}
