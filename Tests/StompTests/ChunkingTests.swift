// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Stomp
import TestSupport
import Testing

@Suite struct ChunkingTests {
    private static let stream = Array(
        ("\n\nCONNECT\r\naccept-version:1.2\r\nlogin: a\\b\r\n\r\n\0\r\n"
            + "SEND\ndestination:/queue/a\nk\\c1:v\\n\\\\\nreceipt:r1\ncontent-length:7\n\nab\0cd\n\n\0\n"
            + "SUBSCRIBE\nid:1\ndestination:/queue/a\nack:client\n\n\0"
            + "SEND\ndestination:/queue/b\n\nno length\0\n\n" + "DISCONNECT\n\n\0").utf8
    )

    private static let frames = [
        FrameParts(.connect, ["accept-version=1.2", "login= a\\b"]),
        FrameParts(
            .send,
            ["destination=/queue/a", "k:1=v\n\\", "receipt=r1", "content-length=7"],
            body: "ab\0cd\n\n"
        ),
        FrameParts(.subscribe, ["id=1", "destination=/queue/a", "ack=client"]),
        FrameParts(.send, ["destination=/queue/b"], body: "no length"),
        FrameParts(.disconnect),
    ]

    @Test("A stream cut in two anywhere gives the same frames")
    func everyBoundary() throws {
        for cut in 0...Self.stream.count {
            let chunks = [Array(Self.stream[..<cut]), Array(Self.stream[cut...])]
            #expect(
                try StompFrame.all(in: Self.stream, chunks: chunks).map(FrameParts.init) == Self.frames,
                "cut at \(cut)"
            )
        }
    }

    @Test("A stream that comes octet by octet gives the same frames")
    func everyOctet() throws {
        #expect(
            try StompFrame.all(in: Self.stream, chunks: Self.stream.map { [$0] }).map(FrameParts.init) == Self.frames
        )
    }

    @Test("A stream in random pieces gives the same frames")
    func randomChunks() throws {
        var random = SeededRandom()
        for _ in 0..<100 {
            let chunks = random.chunks(of: Self.stream, longest: Int.random(in: 1...100, using: &random))
            #expect(try StompFrame.all(in: Self.stream, chunks: chunks).map(FrameParts.init) == Self.frames)
        }
    }

    @Test("Each frame comes out as soon as its NUL is there")
    func promptly() throws {
        var decoder = StompFrameDecoder()
        decoder.version = .v1_2
        var count = 0
        for (index, byte) in Self.stream.enumerated() {
            decoder.append(ByteBuffer(bytes: [byte]))
            while try decoder.next() != nil {
                count += 1
                #expect(byte == 0 && index > 0)
            }
        }
        #expect(count == Self.frames.count)
    }

    @Test("Random octets end in an error or wait for more, whatever their pieces", arguments: StompVersion.allCases)
    func randomOctets(_ version: StompVersion) {
        var random = SeededRandom()
        for _ in 0..<150 {
            let bytes = random.bytes(Int.random(in: 1...300, using: &random))
            expectAlike(bytes, &random, version)
        }
    }

    @Test(
        "Frames with random octets changed never trap, and read alike in any pieces",
        arguments: StompVersion.allCases
    )
    func mutations(_ version: StompVersion) {
        var random = SeededRandom()
        let interesting: [UInt8] = [0, 10, 13, 32, 58, 92, 45, 57, 99, 255]
        for _ in 0..<150 {
            var bytes = Self.stream
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0...2, using: &random) {
                case 0: bytes[index] = interesting.randomElement(using: &random) ?? 0
                case 1: bytes.remove(at: index)
                default: bytes.insert(interesting.randomElement(using: &random) ?? 0, at: index)
                }
            }
            expectAlike(bytes, &random, version)
        }
    }

    /// The same frames and the same error at once, in random pieces and octet by octet; every header can be read.
    private func expectAlike(_ bytes: [UInt8], _ random: inout SeededRandom, _ version: StompVersion) {
        let limits = StompLimits(headerLine: 120, headerBlock: 200, headers: 6, body: 60)
        func read(_ chunks: [[UInt8]]) -> [String] {
            var decoder = StompFrameDecoder(limits: limits)
            decoder.version = version
            var seen: [String] = []
            do throws(StompError) {
                for chunk in chunks {
                    decoder.append(ByteBuffer(bytes: chunk))
                    while let frame = try decoder.next() {
                        seen.append(FrameParts(frame).description)
                        _ = frame.storedHeaders()
                    }
                }
            } catch {
                seen.append(error.message)
            }
            return seen
        }
        let whole = read([bytes])
        let pieces = read(random.chunks(of: bytes, longest: 20))
        let octets = read(bytes.map { [$0] })
        // What breaks two rules at once may be refused by either, as more or less of it is seen; the frames are alike.
        #expect(whole.dropLast().elementsEqual(pieces.dropLast()), "seed \(random.seed)")
        #expect(whole.dropLast().elementsEqual(octets.dropLast()), "seed \(random.seed)")
        #expect(whole.count == pieces.count && whole.count == octets.count, "seed \(random.seed)")
    }
}
