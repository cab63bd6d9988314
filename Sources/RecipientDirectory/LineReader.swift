// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Reads lines from a file descriptor, or from memory, in chunks: the whole is never in memory.
package struct LineReader {
    struct Line {
        /// From 1.
        let number: Int
        /// Without the line end; empty where the line is too long.
        let bytes: [UInt8]
        let isTooLong: Bool

        var isBlank: Bool { !isTooLong && bytes.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D } }
    }

    /// A recipient's texts and two objects at their limits, everything escaped.
    static let longestLine = 1 << 20
    private static let chunkSize = 64 * 1024

    /// Gives the next bytes; none at the end.
    private let source: () throws(RecipientDirectoryError) -> [UInt8]
    private var chunk: [UInt8] = []
    private var position = 0
    private var number = 0

    /// The descriptor stays the caller's; `name` is for errors.
    package init(descriptor: CInt, name: String) {
        source = { () throws(RecipientDirectoryError) in
            var bytes = [UInt8](repeating: 0, count: Self.chunkSize)
            while true {
                let count = read(descriptor, &bytes, Self.chunkSize)
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else {
                    throw .failed(file: name, reason: "can't be read: \(String(cString: strerror(errno)))")
                }
                return Array(bytes[..<count])
            }
        }
    }

    package init(bytes: [UInt8]) {
        var rest: [UInt8]? = bytes
        source = { () throws(RecipientDirectoryError) in
            defer { rest = nil }
            return rest ?? []
        }
    }

    /// nil at the end.
    mutating func next() throws(RecipientDirectoryError) -> Line? {
        var bytes: [UInt8] = []
        var isTooLong = false
        while true {
            if position == chunk.count {
                chunk = try source()
                position = 0
                if chunk.isEmpty {
                    if bytes.isEmpty, !isTooLong { return nil }
                    break
                }
            }
            let end = chunk[position...].firstIndex(of: UInt8(ascii: "\n"))
            if bytes.count + (end ?? chunk.count) - position > Self.longestLine {
                isTooLong = true
                bytes = []
            }
            if !isTooLong { bytes += chunk[position..<(end ?? chunk.count)] }
            position = end.map { $0 + 1 } ?? chunk.count
            if end != nil { break }
        }
        number += 1
        return Line(number: number, bytes: bytes, isTooLong: isTooLong)
    }
}
