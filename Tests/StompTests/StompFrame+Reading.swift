// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Stomp

/// A frame's parts, to compare with.
struct FrameParts: Equatable, CustomStringConvertible {
    var command: StompCommand
    var headers: [String]
    var body: [UInt8]

    init(_ command: StompCommand, _ headers: [String] = [], body: String = "") {
        self.command = command
        self.headers = headers
        self.body = Array(body.utf8)
    }

    init(_ frame: StompFrame) {
        command = frame.command
        headers = frame.headers.map { "\($0.name)=\($0.value)" }
        body = Array(frame.body.readableBytesView)
    }

    var description: String { "\(command.rawValue) \(headers) \(String(decoding: body, as: UTF8.self).prefix(100))" }
}

extension StompFrame {
    /// The only frame in `text`; a NUL is added at its end.
    static func reading(_ text: String, version: StompVersion = .v1_2) throws -> StompFrame {
        let frames = try all(in: Array(text.utf8) + [0], version: version)
        guard frames.count == 1 else { throw NotOneFrame(count: frames.count) }
        return frames[0]
    }

    /// All frames in `bytes`, which come as the given chunks, or as one.
    static func all(
        in bytes: [UInt8],
        chunks: [[UInt8]]? = nil,
        version: StompVersion = .v1_2,
        limits: StompLimits = StompLimits()
    ) throws(StompError) -> [StompFrame] {
        var decoder = StompFrameDecoder(limits: limits)
        decoder.version = version
        var frames: [StompFrame] = []
        for chunk in chunks ?? [bytes] {
            decoder.append(ByteBuffer(bytes: chunk))
            while let frame = try decoder.next() { frames.append(frame) }
        }
        return frames
    }
}

struct NotOneFrame: Error {
    let count: Int
}

/// What `encode` writes, as text.
func written(_ write: (inout ByteBuffer) -> Void) -> String {
    var buffer = ByteBuffer()
    write(&buffer)
    return String(buffer: buffer)
}
