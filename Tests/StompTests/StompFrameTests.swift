// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Stomp
import Testing

@Suite struct StompFrameTests {
    @Test("Headers are found by their whole name only")
    func lookUp() throws {
        let frame = try StompFrame.reading("SEND\nid:1\nid2:2\ni:3\nempty:\n\n")
        #expect(frame["id"] == "1")
        #expect(frame.value(named: "id2") == "2")
        #expect(frame["i"] == "3")
        #expect(frame["ID"] == nil)
        #expect(frame["empty"] == "")
        #expect(frame.has("empty"))
        #expect(!frame.has("absent"))
        #expect(frame.value(named: "") == nil)
        #expect(frame.headerCount == 4)
    }

    @Test("Octets of a value come without a String")
    func bytes() throws {
        let frame = try StompFrame.reading("SEND\npersistent:true\nescaped:tr\\c\n\n")
        #expect(frame.bytes("persistent") == ByteBuffer(string: "true"))
        #expect(frame.bytes("escaped") == ByteBuffer(string: "tr:"))
        #expect(frame.bytes("absent") == nil)
        #expect(frame.matches("persistent", "true"))
        #expect(!frame.matches("persistent", "tru"))
        #expect(!frame.matches("persistent", "true "))
        #expect(!frame.matches("absent", "true"))
    }

    @Test(
        "Numbers are whole and not negative",
        arguments: [("0", 0), ("0042", 42), ("999999999999999999", 999_999_999_999_999_999)]
    )
    func integers(_ text: String, _ number: Int) throws {
        #expect(try StompFrame.reading("SEND\ndelay:\(text)\n\n").integer("delay") == number)
    }

    @Test(
        "What isn't a number is an error with the header's name",
        arguments: ["", "-1", "+1", " 1", "1.5", "ten", "1000000000000000000"]
    )
    func notIntegers(_ text: String) throws {
        let frame = try StompFrame.reading("SEND\ndelay:\(text)\n\n")
        #expect(throws: StompError.badHeader(name: "delay", found: text, wanted: "a whole number")) {
            try frame.integer("delay")
        }
        #expect(try frame.integer("absent") == nil)
    }

    @Test("Octets that aren't UTF-8 become replacement characters")
    func invalidUTF8() throws {
        let frames = try StompFrame.all(in: Array("SEND\nh:".utf8) + [0xFF, 0xFE] + Array("\n\n".utf8) + [0xFF, 0])
        #expect(frames.first?["h"] == "\u{FFFD}\u{FFFD}")
        #expect(frames.first?.body == ByteBuffer(bytes: [0xFF]))
    }

    @Test("A detached frame is the same frame")
    func detached() throws {
        let frame = try StompFrame.reading("SEND\nfirst:1\nk\\c1:v\\n\n\nbody")
        #expect(FrameParts(frame.detached()) == FrameParts(frame))
        #expect(frame.detached()["k:1"] == "v\n")
        #expect(frame.size == "first:1\nk\\c1:v\\n\nbody".utf8.count)
    }

    @Test("Stored headers leave out what is excluded and what is repeated")
    func storedHeaders() throws {
        let frame = try StompFrame.reading("SEND\ndestination:/queue/a\nx:1\nx:2\nk\\c1:a:b\\\\\nreceipt:r\n\n")
        let stored = frame.storedHeaders(except: [.destination, .receipt])
        #expect(String(buffer: stored) == "x:1\nk\\c1:a:b\\\\\n")
    }

    @Test("Stored headers of a 1.0 client are escaped as in 1.2")
    func storedHeadersOf1_0() throws {
        let frame = try StompFrame.reading("SEND\ncreated: 10:30\npath: a\\b\n\n", version: .v1_0)
        #expect(String(buffer: frame.storedHeaders()) == "created:10\\c30\npath:a\\\\b\n")
    }

    @Test(
        "Stored headers come out right for the reader's version",
        arguments: StompVersion.allCases,
        StompVersion.allCases
    )
    func storedHeadersAcrossVersions(_ from: StompVersion, _ to: StompVersion) throws {
        let value = "a:b\\c"
        let sent = written { buffer in
            StompFrameEncoder.encode(.send, [("k", value), ("plain", "p")], version: from, into: &buffer)
        }
        let stored = try StompFrame.reading(String(sent.dropLast()), version: from).storedHeaders(except: [
            .contentLength
        ])
        let passedOn = written { buffer in
            let encoder = StompFrameEncoder(version: to)
            encoder.start(.message, into: &buffer)
            encoder.stored(stored, into: &buffer)
            encoder.finish(.message, into: &buffer)
        }
        let received = try StompFrame.reading(String(passedOn.dropLast()), version: to)
        #expect(received["k"] == value)
        #expect(received["plain"] == "p")
    }
}
