// SPDX-License-Identifier: Apache-2.0
import Foundation
import NIOCore
import Stomp
import TestSupport
import Testing

@Suite struct HostileStreamTests {
    private static let directory = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Fixtures/stomp")

    /// What the `message` of each stream's ERROR is.
    private static let expected = [
        "announced-body-on-subscribe": "body not allowed",
        "backslash-at-end": "undefined escape",
        "body-on-ack": "body not allowed",
        "empty-content-length": "bad content-length",
        "empty-header-name": "header without a name",
        "endless-first-line": "unknown command",
        "endless-header-line": "header line too long",
        "endless-headers": "too many headers",
        "header-block-too-long": "headers too long",
        "header-without-colon": "header without a colon",
        "hexadecimal-content-length": "bad content-length",
        "http-request": "unknown command",
        "huge-content-length": "body too large",
        "lower-case-command": "unknown command",
        "negative-content-length": "bad content-length",
        "nul-first": "unknown command",
        "nul-in-headers": "NUL within the headers",
        "nul-in-value": "NUL within the headers",
        "overflowing-content-length": "bad content-length",
        "short-content-length": "no NUL after the body",
        "tls-client-hello": "unknown command",
        "undefined-escape": "undefined escape",
    ]

    @Test("Every hostile stream is known")
    func complete() throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.directory.path)
            .filter { $0.hasSuffix(".stomp") }.map { String($0.dropLast(6)) }
        #expect(files.sorted() == Self.expected.keys.sorted())
    }

    @Test(
        "A hostile stream is refused with a sentence, alike at once and octet by octet",
        arguments: expected.keys.sorted()
    )
    func refused(_ name: String) throws {
        let bytes = [UInt8](try Data(contentsOf: Self.directory.appending(path: "\(name).stomp")))
        for chunks in [[bytes], bytes.map { [$0] }] {
            let error = try #require(throws: StompError.self) { try StompFrame.all(in: bytes, chunks: chunks) }
            #expect(error.message == Self.expected[name])
            #expect(error.detail.hasSuffix(".") || error.detail.hasSuffix("?"))
            #expect(error.detail.utf8.count < 500)
            #expect(!error.detail.unicodeScalars.contains { $0.properties.generalCategory == .control })
        }
    }

    @Test("An absent NUL is given up at the body's limit, with no more than that buffered")
    func absentNul() {
        let limits = StompLimits(body: 100_000)
        var decoder = StompFrameDecoder(limits: limits)
        decoder.version = .v1_2
        decoder.append(ByteBuffer(string: "SEND\ndestination:/queue/a\n\n"))
        let chunk = ByteBuffer(repeating: UInt8(ascii: "x"), count: 1000)
        var most = 0
        #expect(throws: StompError.bodyTooLarge(limit: 100_000)) {
            for _ in 0..<10_000 {
                decoder.append(chunk)
                _ = try decoder.next()
                most = max(most, decoder.bufferedBytes)
            }
        }
        #expect(most <= limits.body + chunk.readableBytes)
        #expect(decoder.bufferedBytes == 0)
    }

    @Test("A client that sends only line ends costs no memory")
    func onlyLineEnds() throws {
        var decoder = StompFrameDecoder()
        for _ in 0..<1000 {
            decoder.append(ByteBuffer(repeating: 0x0A, count: 4096))
            #expect(try decoder.next() == nil)
            #expect(decoder.bufferedBytes == 0)
        }
    }

    @Test("An over-large body isn't buffered")
    func largeBody() {
        var decoder = StompFrameDecoder()
        decoder.append(ByteBuffer(string: "SEND\ncontent-length:2000000\n\n"))
        #expect(throws: StompError.self) { try decoder.next() }
        decoder.append(ByteBuffer(repeating: 0x78, count: 2_000_000))
        #expect(decoder.bufferedBytes == 0)
    }
}
