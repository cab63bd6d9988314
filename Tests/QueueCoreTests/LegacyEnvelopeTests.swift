// SPDX-License-Identifier: Apache-2.0
import QueueCore
import Testing
import TestSupport

private let numberCapture =
    #"a:3:{s:4:"site";s:4:"peer";s:7:"handler";s:7:"distrib";s:7:"payload";s:3:"123";}"#
private let textCapture =
    #"a:3:{s:4:"site";s:4:"peer";s:7:"handler";s:7:"distrib";s:7:"payload";s:20:"s:12:"hello wörld";";}"#

/// Samples are captures of StatusNet's own frames, and what an enemy may make of them.
@Suite struct LegacyEnvelopeTests {
    private func read(_ text: String) -> LegacyEnvelope? { LegacyEnvelope(Array(text.utf8)) }

    private func envelope(payload: String) -> LegacyEnvelope? {
        let site = #"s:4:"site";s:4:"peer";"#
        return read(#"a:3:{\#(site)s:7:"handler";s:3:"omb";s:7:"payload";s:\#(payload.utf8.count):"\#(payload)";}"#)
    }

    @Test("A notice is a number")
    func noticeNumber() throws {
        let envelope = try #require(read(numberCapture))
        #expect(envelope.site == "peer" && envelope.queue == "distrib")
        #expect(envelope.payload == .noticeNumber("123"))
    }

    @Test("A string is serialized once more within; lengths count bytes")
    func text() throws {
        let envelope = try #require(read(textCapture))
        #expect(envelope.site == "peer" && envelope.queue == "distrib")
        #expect(envelope.payload == .frame(Array("hello wörld".utf8)))
    }

    @Test("A payload that isn't serialized is the frame as it is, as old XML stanzas are")
    func rawPayload() {
        let xml = "<message to='a'><body>s:1:\"x\";</body></message>"
        #expect(envelope(payload: xml)?.payload == .frame(Array(xml.utf8)))
    }

    @Test(
        "A payload that only begins as a serialized string is the frame as it is",
        arguments: [
            "s:3:\"abc\";x", "s:4:\"abc\";", "s:3:\"abc\"", "s:", "s", "s:-1:\"\";", "i:5;", "b:0;", "12a", " 1",
        ]
    )
    func almostNested(_ payload: String) {
        #expect(envelope(payload: payload)?.payload == .frame(Array(payload.utf8)))
    }

    @Test("An empty payload is an empty frame, and so is an empty string")
    func emptyPayload() {
        #expect(envelope(payload: "")?.payload == .frame([]))
        #expect(envelope(payload: "s:0:\"\";")?.payload == .frame([]))
    }

    @Test("Quotes, semicolons, braces and NULs in a value are part of it")
    func awkwardBytes() {
        let awkward = "\";}s:4:\"site\0"
        #expect(envelope(payload: awkward)?.payload == .frame(Array(awkward.utf8)))
    }

    @Test("A slice of a longer buffer is read like an array of its own")
    func slice() {
        let bytes = Array(("junk" + numberCapture).utf8)
        #expect(LegacyEnvelope(bytes[4...])?.site == "peer")
    }

    @Test("The order of the members doesn't matter")
    func order() {
        let text = #"a:3:{s:7:"payload";s:1:"7";s:7:"handler";s:3:"omb";s:4:"site";s:1:"b";}"#
        #expect(read(text)?.payload == .noticeNumber("7"))
        #expect(read(text)?.queue == "omb")
    }

    @Test(
        "What is cut anywhere, or has a byte behind its end, is no envelope",
        arguments: [numberCapture, textCapture]
    )
    func truncated(_ whole: String) {
        let bytes = Array(whole.utf8)
        for length in 0..<bytes.count { #expect(LegacyEnvelope(bytes.prefix(length)) == nil, "\(length) bytes") }
        #expect(LegacyEnvelope(bytes + [0]) == nil)
        #expect(LegacyEnvelope(bytes + bytes) == nil)
    }

    @Test(
        "Wrong counts, lengths and types are refused",
        arguments: [
            #"a:2:{s:4:"site";s:4:"peer";s:7:"handler";s:7:"distrib";}"#,
            #"a:2:{s:4:"site";s:4:"peer";s:7:"handler";s:7:"distrib";s:7:"payload";s:3:"123";}"#,
            #"a:4:{s:4:"site";s:4:"peer";s:7:"handler";s:7:"distrib";s:7:"payload";s:3:"123";}"#,
            #"a:0:{}"#, #"a:3:{}"#, #"a::{}"#, #"a:-3:{}"#, #"a:99999999999999999999:{}"#, #"a:3"#, #"s:3:"abc";"#, "",
            #"a:3:{s:4:"site";s:5:"peer";s:7:"handler";s:7:"distrib";s:7:"payload";s:3:"123";}"#,
            #"a:3:{s:4:"site";s:3:"peer";s:7:"handler";s:7:"distrib";s:7:"payload";s:3:"123";}"#,
            #"a:3:{s:4:"site";s:-4:"peer";s:7:"handler";s:7:"distrib";s:7:"payload";s:3:"123";}"#,
            #"a:3:{s:4:"site";s:+4:"peer";s:7:"handler";s:7:"distrib";s:7:"payload";s:3:"123";}"#,
            #"a:3:{s:4:"site";s::"peer";s:7:"handler";s:7:"distrib";s:7:"payload";s:3:"123";}"#,
            #"a:3:{s:4:"site";s:9999999999:"peer";s:7:"handler";s:7:"distrib";s:7:"payload";s:3:"123";}"#,
            #"a:3:{s:4:"site";s:9223372036854775807:"peer";s:7:"handler";s:7:"distrib";s:7:"payload";s:3:"123";}"#,
            #"a:3:{s:4:"site";s:18446744073709551620:"peer";s:7:"handler";s:7:"distrib";s:7:"payload";s:3:"123";}"#,
            #"a:3:{s:4:"site";i:4;s:7:"handler";s:7:"distrib";s:7:"payload";s:3:"123";}"#,
            #"a:3:{s:4:"Site";s:4:"peer";s:7:"handler";s:7:"distrib";s:7:"payload";s:3:"123";}"#,
            #"a:3:{s:4:"site";s:4:"peer";s:4:"site";s:4:"peer";s:7:"payload";s:3:"123";}"#,
            #"A:3:{s:4:"site";s:4:"peer";s:7:"handler";s:7:"distrib";s:7:"payload";s:3:"123";}"#,
            #" a:3:{s:4:"site";s:4:"peer";s:7:"handler";s:7:"distrib";s:7:"payload";s:3:"123";}"#,
            #"O:8:"stdClass":3:{s:4:"site";s:4:"peer";s:7:"handler";s:7:"distrib";s:7:"payload";s:3:"123";}"#,
        ]
    )
    func refused(_ text: String) {
        #expect(read(text) == nil)
    }

    @Test("Random bytes, and real envelopes with random bytes in them, never trap")
    func random() {
        var random = SeededRandom()
        let samples = [Array(numberCapture.utf8), Array(textCapture.utf8)]
        let alphabet = Array("asi:0123456789\"{};-".utf8)
        var read = 0
        for round in 0..<20_000 {
            var bytes: [UInt8]
            switch round % 3 {
            case 0: bytes = random.bytes(Int.random(in: 0...100, using: &random))
            case 1:
                let length = Int.random(in: 0...100, using: &random)
                bytes = (0..<length).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &random)] }
            default:
                bytes = samples[Int.random(in: 0..<samples.count, using: &random)]
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
            }
            if LegacyEnvelope(bytes) != nil { read += 1 }
        }
        // A changed byte within a value still makes an envelope: the parser was reached.
        #expect(read > 0)
    }
}
