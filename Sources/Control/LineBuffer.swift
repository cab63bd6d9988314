// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Gathers what is read from a stream and gives it out in lines.
///
/// What is no whole line yet can be taken along: the supervisor keeps its connections when it re-executes.
struct LineBuffer {
    private var bytes: ByteBuffer
    private var decoder = JSONLineDecoder()

    init(rest: [UInt8] = []) { bytes = ByteBuffer(bytes: rest) }

    mutating func append(_ part: ByteBuffer) {
        var part = part
        if bytes.readableBytes == 0 { bytes = part } else { bytes.writeBuffer(&part) }
    }

    /// Throws where a line is too long: the stream can't be read any further.
    mutating func next() throws -> ByteBuffer? {
        if let line = try decoder.decode(buffer: &bytes) { return line }
        // What was given out isn't kept for the sake of what follows.
        if bytes.readableBytes == 0 { bytes = ByteBuffer() } else { bytes.discardReadBytes() }
        return nil
    }

    var rest: [UInt8] { Array(bytes.readableBytesView) }
}
