// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Worker

@Suite(.serialized) struct ProcessStateTests {
    @Test("What was changed is put back and named")
    func putBack() throws {
        let before = ProcessState()
        let mask = umask(0o077)
        defer { umask(mask) }
        signal(SIGURG) { _ in }
        defer { signal(SIGURG, SIG_DFL) }
        // The mask of before may have been the same by chance.
        let changed = before.restore()
        #expect(changed.contains("the handler of signal \(SIGURG)"))
        #expect(changed.contains("the umask") == (mask != 0o077))
        var action = sigaction()
        sigaction(SIGURG, nil, &action)
        #expect(action.__sigaction_handler.sa_handler == nil)
        let now = umask(mask)
        #expect(now == mask)
    }

    @Test("Where nothing was changed there is nothing to tell")
    func unchanged() {
        #expect(ProcessState().restore().isEmpty)
    }
}
