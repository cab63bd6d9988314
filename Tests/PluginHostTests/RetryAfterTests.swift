// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import PluginHost

@Suite struct RetryAfterTests {
    /// Sun, 06 Nov 1994 08:49:37 GMT, RFC 9110's example.
    private static let example: Int64 = 784_111_777

    @Test("Seconds", arguments: [("0", 0), ("7", 7000), (" 120 ", 120_000), ("604800", 604_800_000)])
    func seconds(value: String, milliseconds: UInt32) {
        #expect(RetryAfter.milliseconds(value, nowUnixMs: 5) == milliseconds)
    }

    @Test("More than a week is a week", arguments: ["604801", "99999999999999999999999"])
    func capped(value: String) {
        #expect(RetryAfter.milliseconds(value, nowUnixMs: 0) == 604_800_000)
    }

    @Test(
        "The three forms of an HTTP date",
        arguments: ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
    )
    func dates(value: String) {
        #expect(RetryAfter.milliseconds(value, nowUnixMs: (Self.example - 30) * 1000) == 30_000)
        #expect(RetryAfter.milliseconds(value, nowUnixMs: (Self.example + 30) * 1000) == 0)
    }

    @Test(
        "What can't be understood is no wait",
        arguments: [
            "", "soon", "-5", "1.5", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT", "a:b:c d e f g",
        ]
    )
    func nonsense(value: String) {
        #expect(RetryAfter.milliseconds(value, nowUnixMs: 0) == 0)
    }
}
