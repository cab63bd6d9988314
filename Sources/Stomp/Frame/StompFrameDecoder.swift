// SPDX-License-Identifier: Apache-2.0
import Glibc
package import NIOCore

/// Cuts a peer's stream into frames: octets in by `append`, frames out by `next`, on the connection's event loop.
///
/// Set `version` as soon as it is negotiated, before the next `next()`: a client may send on behind its CONNECT in one
/// segment. After an error nothing more comes out; the connection has to end. What is buffered is at most one
/// unfinished frame within the limits, and the chunk that was appended last.
package struct StompFrameDecoder: Sendable {
    /// The rules for escapes, spaces and bodies; handshake frames are read alike in all versions.
    package var version: StompVersion = .v1_0
    package let limits: StompLimits
    /// The `receipt` of the frame that `next` failed at, where its headers were whole.
    package private(set) var failedReceipt: String?

    private enum Stage: Sendable {
        case betweenFrames
        case head
        /// Octets of the body up to `scanned` (from the frame's start) have no NUL.
        case body(StompHeadScanner.Head, scanned: Int)
        case failed(StompError)
    }

    private var stage = Stage.betweenFrames
    private var scanner = StompHeadScanner()
    /// From the start of the frame that is being read.
    private var buffer = ByteBuffer()
    /// Whether frames, or who called `append`, may hold slices of `buffer`, so that writing to it would copy all of it.
    private var isShared = false

    package init(limits: StompLimits = StompLimits()) { self.limits = limits }

    /// Octets that wait for the rest of their frame.
    package var bufferedBytes: Int { buffer.readableBytes }

    package mutating func append(_ chunk: ByteBuffer) {
        if case .failed = stage { return }
        if buffer.readableBytes == 0 {
            buffer = chunk
            isShared = true
            return
        }
        if isShared {
            var own = ByteBuffer()
            own.reserveCapacity(buffer.readableBytes + chunk.readableBytes)
            own.writeImmutableBuffer(buffer)
            buffer = own
            isShared = false
        }
        buffer.writeImmutableBuffer(chunk)
    }

    /// The next whole frame; nil = more octets are needed.
    package mutating func next() throws(StompError) -> StompFrame? {
        while true {
            switch stage {
            case .betweenFrames:
                skipLineEnds()
                guard buffer.readableBytes > 0 else { return nil }
                scanner = StompHeadScanner()
                stage = .head
            case .head:
                switch Self.scan(&scanner, buffer, version, limits) {
                case .incomplete: return nil
                case .failed(let error): throw fail(error)
                case .complete(let head):
                    if let error = refusal(of: head) { throw fail(error, in: head) }
                    stage = .body(head, scanned: head.bodyStart)
                }
            case .body(let head, let scanned):
                guard let length = try bodyLength(head, scanned: scanned) else { return nil }
                return cut(head, bodyLength: length)
            case .failed(let error): throw error
            }
        }
    }

    /// Line ends between frames: heart-beats, and what many clients write after a frame's NUL.
    private mutating func skipLineEnds() {
        let count = buffer.withUnsafeReadableBytes { bytes in bytes.prefix { $0 == 0x0A || $0 == 0x0D }.count }
        buffer.moveReaderIndex(forwardBy: count)
        if buffer.readableBytes == 0 { buffer = ByteBuffer() }
    }

    private static func scan(
        _ scanner: inout StompHeadScanner,
        _ buffer: ByteBuffer,
        _ version: StompVersion,
        _ limits: StompLimits
    ) -> StompHeadScanner.Outcome {
        buffer.withUnsafeReadableBytes { scanner.scan($0, version: version, limits: limits) }
    }

    /// What the headers alone give away, before any octet of the body is buffered.
    private func refusal(of head: StompHeadScanner.Head) -> StompError? {
        guard let length = head.contentLength, length > 0 else { return nil }
        if !head.command.allowsBody { return .bodyNotAllowed(head.command) }
        return length > limits.body ? .bodyTooLarge(limit: limits.body) : nil
    }

    /// Octets of the body, once its NUL is there.
    private mutating func bodyLength(_ head: StompHeadScanner.Head, scanned: Int) throws(StompError) -> Int? {
        let available = buffer.readableBytes
        if let length = head.contentLength {
            guard available > head.bodyStart + length else { return nil }
            let end: UInt8? = buffer.getInteger(at: buffer.readerIndex + head.bodyStart + length)
            guard end == 0 else {
                // In no version may a body follow here: that is the clearer sentence where no length was meant.
                throw fail(
                    head.command.allowsBody ? .noNulAfterBody(contentLength: length) : .bodyNotAllowed(head.command),
                    in: head
                )
            }
            return length
        }
        let end = buffer.withUnsafeReadableBytes { bytes -> Int? in
            guard let base = bytes.baseAddress, let found = memchr(base + scanned, 0, available - scanned) else {
                return nil
            }
            return UnsafeRawPointer(found) - base
        }
        let length = (end ?? available) - head.bodyStart
        if length > 0, !head.command.allowsBody, !toleratesBody(head) {
            throw fail(.bodyNotAllowed(head.command), in: head)
        }
        if length > limits.body { throw fail(.bodyTooLarge(limit: limits.body), in: head) }
        if end == nil { stage = .body(head, scanned: available) }
        return end == nil ? nil : length
    }

    /// 1.0 didn't say which frames have bodies: there they are read and dropped.
    private func toleratesBody(_ head: StompHeadScanner.Head) -> Bool {
        guard head.command.isHandshake else { return version == .v1_0 }
        return frame(head, body: ByteBuffer()).field(.acceptVersion) == nil
    }

    private mutating func cut(_ head: StompHeadScanner.Head, bodyLength: Int) -> StompFrame {
        let start = buffer.readerIndex + head.bodyStart
        let body =
            head.command.allowsBody ? buffer.getSlice(at: start, length: bodyLength) ?? ByteBuffer() : ByteBuffer()
        let frame = frame(head, body: body)
        buffer.moveReaderIndex(to: start + bodyLength + 1)
        isShared = true
        stage = .betweenFrames
        if buffer.readableBytes == 0 { buffer = ByteBuffer() }
        return frame
    }

    private func frame(_ head: StompHeadScanner.Head, body: ByteBuffer) -> StompFrame {
        let headers = buffer.getSlice(at: buffer.readerIndex + head.headers.lowerBound, length: head.headers.count)
        return StompFrame(command: head.command, head: headers ?? ByteBuffer(), fields: scanner.fields, body: body)
    }

    /// Ends decoding; what was buffered is let go.
    private mutating func fail(_ error: StompError, in head: StompHeadScanner.Head? = nil) -> StompError {
        if let head, !head.command.isHandshake { failedReceipt = frame(head, body: ByteBuffer())[.receipt] }
        stage = .failed(error)
        buffer = ByteBuffer()
        return error
    }
}
