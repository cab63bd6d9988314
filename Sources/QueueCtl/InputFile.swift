// SPDX-License-Identifier: Apache-2.0
import Glibc
import NIOCore

/// A file of frames, or standard input for `-`: read in order, whole or line by line, never more in memory than a few
/// lines need.
struct InputFile: ~Copyable {
    /// Bytes of one frame or line.
    ///
    /// The broker takes 1 MiB; what is beyond this isn't even read.
    static let mostBytes = 16 << 20
    private static let chunk = 256 << 10

    let name: String
    private let descriptor: Int32
    private var buffer = ByteBuffer()
    /// Readable bytes that are known to hold no newline.
    private var scanned = 0
    private var isAtEnd = false

    init(_ path: String) throws {
        if path == "-" {
            name = "standard input"
            descriptor = STDIN_FILENO
        } else {
            name = path
            descriptor = open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw QueueCtlError.unreadableInput(file: path, reason: Self.words(errno)) }
        }
    }

    deinit { if descriptor != STDIN_FILENO { close(descriptor) } }

    mutating func whole() throws -> ByteBuffer {
        while !isAtEnd {
            try fill()
            guard buffer.readableBytes <= Self.mostBytes else { throw tooLong("it") }
        }
        return buffer
    }

    /// The next line without its end; nil after the last.
    mutating func line(number: Int) throws -> ByteBuffer? {
        while true {
            if let length = newline() {
                scanned = 0
                let line = buffer.readSlice(length: length)
                buffer.moveReaderIndex(forwardBy: 1)
                return line
            }
            if isAtEnd { return buffer.readableBytes == 0 ? nil : buffer.readSlice(length: buffer.readableBytes) }
            scanned = buffer.readableBytes
            guard scanned <= Self.mostBytes else { throw tooLong("line \(number)") }
            try fill()
        }
    }

    /// How far the next newline is.
    private func newline() -> Int? {
        buffer.withUnsafeReadableBytes { bytes in
            guard let start = bytes.baseAddress, bytes.count > scanned,
                let found = memchr(start + scanned, Int32(UInt8(ascii: "\n")), bytes.count - scanned)
            else { return nil }
            return UnsafeRawPointer(found) - start
        }
    }

    /// Waits for input: whoever pipes it in may take his time, and nothing else is to be done meanwhile.
    private mutating func fill() throws {
        // Lines that were handed out share the old storage; what is left of it moves to a new one.
        var next = ByteBuffer()
        next.reserveCapacity(buffer.readableBytes + Self.chunk)
        next.writeBuffer(&buffer)
        let descriptor = descriptor
        var failure: Int32 = 0
        let count = next.writeWithUnsafeMutableBytes(minimumWritableBytes: Self.chunk) { bytes in
            var count = read(descriptor, bytes.baseAddress, bytes.count)
            while count < 0, errno == EINTR { count = read(descriptor, bytes.baseAddress, bytes.count) }
            failure = count < 0 ? errno : 0
            return max(0, count)
        }
        buffer = next
        if failure != 0 { throw QueueCtlError.unreadableInput(file: name, reason: Self.words(failure)) }
        isAtEnd = count == 0
    }

    private func tooLong(_ what: String) -> QueueCtlError {
        .unreadableInput(file: name, reason: "\(what) is longer than \(Self.mostBytes >> 20) MiB")
    }

    private static func words(_ code: Int32) -> String { String(cString: strerror(code)) }
}
