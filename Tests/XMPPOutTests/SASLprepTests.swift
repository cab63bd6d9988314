// SPDX-License-Identifier: Apache-2.0

import PluginKitTesting
import TestSupport
import Testing

@testable import XMPPOut

@Suite struct SASLprepTests {
    @Test(
        "RFC 4013's examples, and what keyboards differ in",
        arguments: [
            ("I\u{AD}X", "IX"), ("user", "user"), ("USER", "USER"), ("\u{AA}", "a"), ("\u{2168}", "IX"),
            ("e\u{301}", "\u{E9}"), ("\u{FF30}\u{FF37}\u{3000}\u{FF11}", "PW 1"), ("\u{FB01}", "fi"),
            ("a\u{A0}b", "a b"),
            ("\u{1E9B}\u{323}", "\u{1E69}"), ("\u{627}1\u{628}", "\u{627}1\u{628}"), ("\u{5D0}", "\u{5D0}"), ("", ""),
        ]
    )
    func examples(text: String, prepared: String) throws {
        // By scalars: the strings would be equal without any preparation.
        #expect(Array(try SASLprep.prepared(text).unicodeScalars) == Array(prepared.unicodeScalars))
    }

    @Test(
        "What is prohibited is named",
        arguments: [
            ("\u{7}", "U+0007"), ("a\u{7F}", "U+007F"), ("\u{200E}a", "U+200E"), ("\u{E000}", "U+E000"),
            ("\u{627}1", "right to left"), ("\u{627}a\u{627}", "right to left"), ("\u{5D0}x", "right to left"),
        ]
    )
    func prohibited(text: String, sentence: String) {
        #expect {
            try SASLprep.prepared(text)
        } throws: { error in
            "\(error)".contains(sentence)
        }
    }

    @Test("Every character of Unicode 3.2, beside another implementation (Python's stringprep)")
    func everyScalar() async throws {
        let program = """
            s, unicodedata = __import__("stringprep"), __import__("unicodedata")
            u = unicodedata.ucd_3_2_0
            bad = [getattr(s, "in_table_" + t) for t in "c12 c21_c22 c3 c4 c5 c6 c7 c8 c9".split()]
            for c in range(0x80, 0x110000):
                t = chr(c)
                if 0xD800 <= c < 0xE000 or s.in_table_a1(t): continue
                m = " " if s.in_table_c12(t) else "" if s.in_table_b1(t) else t
                m = u.normalize("NFKC", m)
                rtl = [s.in_table_d1(x) for x in m]
                no = any(f(x) for x in m for f in bad) or any(rtl) and not (rtl[0] and rtl[-1])
                print("%x" % c, "!" if no else ".".join("%x" % ord(x) for x in m), sep="=")
            """
        // Unicode has corrected these five after version 3.2 (its corrigendum 4).
        let corrected: Set<UInt32> = [0x2F868, 0x2F874, 0x2F91F, 0x2F95F, 0x2F9BF]
        let python = try await ProcessRunner.run("/usr/bin/python3", ["-c", program])
        #expect(python.exit == .status(0), "\(python.errors)")
        var compared = 0
        var different: [String] = []
        for line in python.output.split(separator: "\n") {
            let sides = line.split(separator: "=", omittingEmptySubsequences: false)
            let value = try #require(UInt32(sides[0], radix: 16))
            guard !corrected.contains(value), let scalar = Unicode.Scalar(value) else { continue }
            let mine: String
            do {
                mine = try SASLprep.prepared(String(scalar)).unicodeScalars.map { String($0.value, radix: 16) }
                    .joined(separator: ".")
            } catch { mine = "!" }
            compared += 1
            if mine != sides[1] { different.append("\(line), found \(mine)") }
        }
        #expect(compared > 90_000)
        #expect(different.isEmpty, "\(different.prefix(20))")
    }

    @Test("A site's user and password are prepared; one that can't be is refused")
    func settings() async throws {
        let typed = XMPPFixture.client.merging(["user": "\u{FF42}ot", "password": "pass\u{AD}e\u{301}"]) { $1 }
        let server = try await XMPPFixture.connected(config: typed)
        #expect(server.inbox.contains(">\(Base64.encode("\0bot\0pass\u{E9}".utf8))</auth>"))
        let host = try await FakeHost(XMPPOutPlugin.self)
        await #expect {
            try await host.open(config: XMPPFixture.client.merging(["password": "a\u{7}b"]) { $1 })
        } throws: { error in
            "\(error)".contains("password: U+0007")
        }
    }
}
