// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Console

@Suite struct HTTPDateTests {
    @Test("A moment is written as RFC 9110 has it")
    func text() {
        #expect(HTTPDate.text(of: 784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(HTTPDate.text(of: 0) == "Thu, 01 Jan 1970 00:00:00 GMT")
    }
}
