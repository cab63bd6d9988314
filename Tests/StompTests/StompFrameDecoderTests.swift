// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Stomp
import TestSupport
import Testing

@Suite struct StompFrameDecoderTests {
    @Test("Commands are case sensitive and all of them are read", arguments: StompCommand.allCases)
    func commands(_ command: StompCommand) throws {
        #expect(try StompFrame.reading("\(command.rawValue)\n\n").command == command)
        #expect(throws: StompError.unknownCommand(command.rawValue.lowercased())) {
            try StompFrame.reading("\(command.rawValue.lowercased())\n\n")
        }
    }

    @Test("Lines end with LF or CRLF, in every version", arguments: StompVersion.allCases)
    func lineEnds(_ version: StompVersion) throws {
        let frame = try StompFrame.reading("SEND\r\ndestination:/queue/a\r\nempty:\r\n\r\nbody\r\n", version: version)
        #expect(FrameParts(frame) == FrameParts(.send, ["destination=/queue/a", "empty="], body: "body\r\n"))
    }

    @Test("Line ends between frames are heart-beats")
    func heartBeats() throws {
        let frames = try StompFrame.all(
            in: Array("\n\r\n\nBEGIN\ntransaction:1\n\n\0\n\n\r\nCOMMIT\ntransaction:1\n\n\0\n".utf8)
        )
        #expect(
            frames.map(FrameParts.init) == [
                FrameParts(.begin, ["transaction=1"]), FrameParts(.commit, ["transaction=1"]),
            ]
        )
    }

    @Test("Of repeated headers the first counts, and all are listed")
    func repeatedHeaders() throws {
        let frame = try StompFrame.reading("SEND\na:1\na:2\nb:3\n\n")
        #expect(frame["a"] == "1")
        #expect(frame.headers.map(\.value) == ["1", "2", "3"])
    }

    @Test("Spaces are kept from 1.1 on", arguments: [StompVersion.v1_1, .v1_2])
    func spacesKept(_ version: StompVersion) throws {
        #expect(try StompFrame.reading("SEND\nh: v \n\n", version: version)["h"] == " v ")
    }

    @Test("In 1.0 the spaces before a value are dropped")
    func spacesTrimmed() throws {
        #expect(try StompFrame.reading("SEND\nh:  v w \ne: \n\n", version: .v1_0).headers.map(\.value) == ["v w ", ""])
    }

    @Test("CONNECT is read by 1.0's rules unless it names a version, whatever the connection's version is")
    func handshakeSpaces() throws {
        #expect(try StompFrame.reading("CONNECT\nlogin: u\n\n", version: .v1_2)["login"] == "u")
        #expect(try StompFrame.reading("CONNECT\naccept-version:1.2\nlogin: u\n\n", version: .v1_0)["login"] == " u")
    }

    @Test("A value may have colons")
    func colons() throws {
        #expect(try StompFrame.reading("SEND\nmessage-id:ID:mini-1:2\n\n")["message-id"] == "ID:mini-1:2")
    }

    @Test("Escapes are undone in names and values: the specification's example")
    func escapes() throws {
        let frame = try StompFrame.reading("SEND\ndestination:/queue/a\nk\\c1:v\\n\\\\\n\nx")
        #expect(frame.value(named: "k:1") == "v\n\\")
        #expect(frame["k:1"] == "v\n\\")
        #expect(frame.headers.last?.name == "k:1")
        #expect(frame.bytes("k:1") == ByteBuffer(string: "v\n\\"))
        #expect(frame.value(named: "k\\c1") == nil)
    }

    @Test(
        "What a backslash means depends on the version",
        arguments: [
            (StompVersion.v1_2, "\\r", "\r"), (.v1_2, "\\n", "\n"), (.v1_2, "\\c", ":"), (.v1_2, "\\\\", "\\"),
            (.v1_2, "\\t", nil), (.v1_2, "a\\", nil), (.v1_2, "\\\\\\", nil), (.v1_2, "\\N", nil),
            (.v1_1, "\\r", nil), (.v1_1, "\\n", "\n"), (.v1_1, "\\c", ":"), (.v1_1, "\\\\", "\\"), (.v1_1, "\\t", nil),
            (.v1_0, "\\r", "\\r"), (.v1_0, "\\n", "\\n"), (.v1_0, "\\t", "\\t"), (.v1_0, "a\\", "a\\"),
        ] as [(StompVersion, String, String?)]
    )
    func escapeTable(_ version: StompVersion, _ written: String, _ meaning: String?) throws {
        for text in ["SEND\nh:\(written)\n\n", "SEND\n\(written):h\n\n"] {
            if let meaning {
                let header = try #require(try StompFrame.reading(text, version: version).headers.first)
                #expect([header.name, header.value].sorted() == [meaning, "h"].sorted())
            } else {
                let line = text.dropFirst(5).dropLast(2)
                #expect(throws: StompError.badEscape(String(line), version: version)) {
                    try StompFrame.reading(text, version: version)
                }
            }
        }
    }

    @Test("Handshake frames are not escaped", arguments: ["CONNECT", "STOMP", "CONNECTED"])
    func handshakeEscapes(_ command: String) throws {
        let frame = try StompFrame.reading("\(command)\naccept-version:1.2\npasscode:a\\tb\\n\n\n")
        #expect(frame[.passcode] == "a\\tb\\n")
    }

    @Test("With content-length a body may have NULs, and needs one after it")
    func contentLength() throws {
        let frames = try StompFrame.all(
            in: Array("SEND\ncontent-length:5\n\na\0b\0c\0SEND\ncontent-length:0\n\n\0".utf8)
        )
        #expect(frames.map { String(buffer: $0.body) } == ["a\0b\0c", ""])
        #expect(throws: StompError.noNulAfterBody(contentLength: 2)) {
            try StompFrame.reading("SEND\ncontent-length:2\n\nabc")
        }
    }

    @Test("Of repeated content-lengths the first counts")
    func repeatedContentLength() throws {
        #expect(String(buffer: try StompFrame.reading("SEND\ncontent-length:3\ncontent-length:1\n\nabc").body) == "abc")
    }

    @Test("In 1.0 content-length may have a space before it, from 1.1 on it may not")
    func contentLengthSpace() throws {
        let text = "SEND\ncontent-length: 3\n\na\0c"
        #expect(String(buffer: try StompFrame.reading(text, version: .v1_0).body) == "a\0c")
        #expect(throws: StompError.badContentLength(" 3")) { try StompFrame.reading(text, version: .v1_1) }
    }

    @Test("From 1.1 on only SEND, MESSAGE and ERROR have bodies", arguments: StompCommand.allCases)
    func bodies(_ command: StompCommand) throws {
        let accept = command == .connect || command == .stomp ? "accept-version:1.2\n" : ""
        let text = "\(command.rawValue)\n\(accept)\nbody"
        if command == .connected || command.allowsBody {
            let frame = try StompFrame.reading(text)
            #expect(String(buffer: frame.body) == (command.allowsBody ? "body" : ""))
        } else {
            #expect(throws: StompError.bodyNotAllowed(command)) { try StompFrame.reading(text) }
        }
    }

    @Test("A body where none may be is refused at its first octet, before its NUL")
    func earlyBody() {
        #expect(throws: StompError.bodyNotAllowed(.ack)) { try StompFrame.all(in: Array("ACK\nid:1\n\nx".utf8)) }
        #expect(throws: StompError.bodyNotAllowed(.ack)) {
            try StompFrame.all(in: Array("ACK\ncontent-length:9\n\n".utf8))
        }
    }

    @Test("In 1.0 a body where none may be is dropped, and a content-length there means nothing")
    func toleratedBodies() throws {
        let frames = try StompFrame.all(
            in: Array("ACK\ncontent-length: 92\nmessage-id: 1\n\n\0ACK\nmessage-id:2\n\nbody\0".utf8),
            version: .v1_0
        )
        #expect(frames.map { $0[.messageID] } == ["1", "2"])
        #expect(frames.allSatisfy { $0.body.readableBytes == 0 })
    }

    @Test("A body over the limit is refused from its content-length alone")
    func bodyLimit() {
        let limits = StompLimits(body: 10)
        #expect(throws: Never.self) { try StompFrame.all(in: Array("SEND\n\n0123456789\0".utf8), limits: limits) }
        #expect(throws: StompError.bodyTooLarge(limit: 10)) {
            try StompFrame.all(in: Array("SEND\ncontent-length:11\n\n".utf8), limits: limits)
        }
        #expect(throws: StompError.bodyTooLarge(limit: 10)) {
            try StompFrame.all(in: Array("SEND\n\n01234567890".utf8), limits: limits)
        }
    }

    @Test("The receipt of a refused frame is known if its headers were whole")
    func failedReceipt() {
        var decoder = StompFrameDecoder()
        decoder.version = .v1_2
        decoder.append(ByteBuffer(string: "SEND\nreceipt:r\\c1\ncontent-length:999999999\n\n"))
        #expect(throws: StompError.bodyTooLarge(limit: (1 << 20) + (64 << 10))) { try decoder.next() }
        #expect(decoder.failedReceipt == "r:1")
    }

    @Test("After an error nothing more is read, and nothing is kept")
    func poisoned() {
        var decoder = StompFrameDecoder()
        decoder.append(ByteBuffer(string: "NONSENSE\n\n\0BEGIN\ntransaction:1\n\n\0"))
        #expect(throws: StompError.unknownCommand("NONSENSE")) { try decoder.next() }
        decoder.append(ByteBuffer(string: "BEGIN\ntransaction:1\n\n\0"))
        #expect(throws: StompError.unknownCommand("NONSENSE")) { try decoder.next() }
        #expect(decoder.bufferedBytes == 0)
    }

    @Test("Header limits count whole lines, all lines, and octets")
    func headerLimits() throws {
        let limits = StompLimits(headerLine: 10, headerBlock: 40, headers: 4)
        func read(_ headers: [String]) throws {
            _ = try StompFrame.all(
                in: Array(("SEND\n" + headers.map { $0 + "\n" }.joined() + "\n\0").utf8),
                limits: limits
            )
        }
        try read(["abcd:12345"])
        try read(["a:1", "b:2", "c:3", "d:4"])
        #expect(throws: StompError.headerLineTooLong(limit: 10)) { try read(["abcd:123456"]) }
        #expect(throws: StompError.tooManyHeaders(limit: 4)) { try read(["a:1", "b:2", "c:3", "d:4", "e:5"]) }
        #expect(throws: StompError.headerBlockTooLong(limit: 40)) { try read(Array(repeating: "abcd:12345", count: 4)) }
    }

    @Test("Frames stay right when the stream goes on in the same buffer")
    func framesKeepTheirOctets() throws {
        var decoder = StompFrameDecoder()
        decoder.version = .v1_2
        decoder.append(ByteBuffer(string: "SEND\nn:1\n\none\0SEND\nn:2\n\ntw"))
        let first = try #require(try decoder.next())
        #expect(try decoder.next() == nil)
        decoder.append(ByteBuffer(string: "o\0SEND\nn:3\n\nthree\0"))
        let second = try #require(try decoder.next())
        let third = try #require(try decoder.next())
        #expect([first, second, third].map { String(buffer: $0.body) } == ["one", "two", "three"])
        #expect([first, second, third].map { $0["n"] } == ["1", "2", "3"])
        #expect(decoder.bufferedBytes == 0)
    }
}
