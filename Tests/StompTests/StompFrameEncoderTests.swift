// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Stomp
import TestSupport
import Testing

@Suite struct StompFrameEncoderTests {
    @Test("A frame has name:value lines without spaces, its length, and a NUL")
    func plain() {
        let text = written { buffer in
            StompFrameEncoder.encode(
                .send,
                [("destination", "/queue/a"), ("empty", "")],
                body: ByteBuffer(string: "body"),
                version: .v1_2,
                into: &buffer
            )
        }
        #expect(text == "SEND\ndestination:/queue/a\nempty:\ncontent-length:4\n\nbody\0")
    }

    @Test(
        "What is escaped depends on the version; what can't be expressed becomes a space",
        arguments: [
            (StompVersion.v1_2, "k\\c\\n\\r\\\\:v\\c\\n\\r\\\\ "), (.v1_1, "k\\c\\n \\\\:v\\c\\n \\\\ "),
            (.v1_0, "k   \\:v:  \\ "),
        ]
    )
    func escapes(_ version: StompVersion, _ line: String) {
        let text = written { buffer in
            StompFrameEncoder.encode(.ack, [("k:\n\r\\", "v:\n\r\\\0")], version: version, into: &buffer)
        }
        #expect(text == "ACK\n\(line)\n\n\0")
    }

    @Test("Handshake frames are never escaped", arguments: [StompCommand.connect, .stomp, .connected])
    func handshake(_ command: StompCommand) {
        let text = written { buffer in
            StompFrameEncoder.encode(command, [("passcode", "a:b\\c\nd")], version: .v1_2, into: &buffer)
        }
        #expect(text == "\(command.rawValue)\npasscode:a:b\\c d\n\n\0")
    }

    @Test("A 1.0 reader gets a content-length only for a body with a NUL, since it may echo it in its ACK")
    func contentLength() {
        func message(_ body: String, _ version: StompVersion) -> String {
            written { buffer in
                StompFrameEncoder.encode(.message, [], body: ByteBuffer(string: body), version: version, into: &buffer)
            }
        }
        #expect(message("b", .v1_0) == "MESSAGE\n\nb\0")
        #expect(message("b\0", .v1_0) == "MESSAGE\ncontent-length:2\n\nb\0\0")
        #expect(message("", .v1_1) == "MESSAGE\ncontent-length:0\n\n\0")
    }

    @Test("Numbers are written in decimal", arguments: [0, 7, 10, 1_234_567_890, -5, Int.max, Int.min])
    func integers(_ number: Int) {
        let text = written { buffer in StompFrameEncoder(version: .v1_2).header("priority", number, into: &buffer) }
        #expect(text == "priority:\(number)\n")
    }

    @Test("RECEIPT and ERROR carry the receipt id")
    func answers() {
        let encoder = StompFrameEncoder(version: .v1_2)
        #expect(written { encoder.receipt("r:1", into: &$0) } == "RECEIPT\nreceipt-id:r\\c1\n\n\0")
        let error = written { encoder.error(.emptyHeaderName, receipt: "r1", into: &$0) }
        let detail = StompError.emptyHeaderName.detail + "\n"
        #expect(
            error == "ERROR\nreceipt-id:r1\nmessage:header without a name\ncontent-type:text/plain\n"
                + "content-length:\(detail.utf8.count)\n\n\(detail)\0"
        )
    }

    @Test("An ERROR about the version lists what is spoken")
    func versionError() throws {
        let text = written { StompFrameEncoder(version: .v1_0).error(.unsupportedVersion(offered: "9"), into: &$0) }
        #expect(try StompFrame.reading(String(text.dropLast()), version: .v1_0)[.version] == "1.0,1.1,1.2")
    }

    @Test("CONNECTED names version, session and server, and heart-beats from 1.1 on")
    func connected() {
        func text(_ version: StompVersion) -> String {
            let connected = StompConnected(
                version: version,
                session: "s-1",
                server: "hostd/1.0",
                serverHeartBeat: .init(sends: 1, wants: 2),
                clientHeartBeat: .none
            )
            return written { StompFrameEncoder.connected(connected, into: &$0) }
        }
        #expect(text(.v1_2) == "CONNECTED\nversion:1.2\nheart-beat:1,2\nsession:s-1\nserver:hostd/1.0\n\n\0")
        #expect(text(.v1_0) == "CONNECTED\nversion:1.0\nsession:s-1\nserver:hostd/1.0\n\n\0")
    }

    @Test("Whatever is encoded is decoded again", arguments: [StompVersion.v1_1, .v1_2])
    func roundTrip(_ version: StompVersion) throws {
        var random = SeededRandom()
        let letters = Array("ab:\\\n é\u{1F600}\(version == .v1_2 ? "\r" : "")")
        for _ in 0..<300 {
            let headers = (0..<Int.random(in: 0...8, using: &random)).map { index in
                let text = String(
                    (0..<Int.random(in: 0...12, using: &random)).map { _ in letters.randomElement(using: &random) ?? "a"
                    }
                )
                return (name: "\(index)\(text)", value: text)
            }
            let body = ByteBuffer(bytes: random.bytes(Int.random(in: 0...100, using: &random)))
            var buffer = ByteBuffer()
            StompFrameEncoder.encode(.message, headers, body: body, version: version, into: &buffer)
            let frame = try #require(try StompFrame.all(in: Array(buffer.readableBytesView), version: version).first)
            #expect(frame.headers.dropLast().elementsEqual(headers) { $0 == $1 })
            #expect(frame.body == body)
            for header in headers { #expect(frame.value(named: header.name) == header.value) }
        }
    }
}
