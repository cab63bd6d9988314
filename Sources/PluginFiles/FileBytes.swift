// SPDX-License-Identifier: Apache-2.0
import Crypto
import Glibc

/// Reads an open regular file at given places.
///
/// Whatever the file holds, no read goes past its end.
struct FileBytes {
    let descriptor: Int32
    let size: UInt64

    /// nil where the file ends before.
    func read(at offset: UInt64, count: Int) -> [UInt8]? {
        guard offset <= size, UInt64(count) <= size - offset else { return nil }
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = fill(UnsafeMutableRawBufferPointer(buffer), at: offset)
        }
        return bytes.count == count ? bytes : nil
    }

    /// Calls `body` with the whole file, piece by piece, and returns the SHA-256 of what it was given in hexadecimal, or nil
    /// if that wasn't as long as the file was when it was opened.
    func digest<Failure: Error>(_ body: (UnsafeRawBufferPointer) throws(Failure) -> Void) throws(Failure) -> String? {
        // Unsafe: one buffer for all pieces, freed when this returns; no piece leaves `body`.
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
        defer { buffer.deallocate() }
        var hash = SHA256()
        var offset: UInt64 = 0
        while true {
            let count = fill(buffer, at: offset)
            if count == 0 { break }
            let piece = UnsafeRawBufferPointer(rebasing: buffer[..<count])
            hash.update(bufferPointer: piece)
            try body(piece)
            offset += UInt64(count)
        }
        guard offset == size else { return nil }
        return hash.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// Bytes read: fewer than wanted at the end of the file, or where it can't be read.
    private func fill(_ buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) -> Int {
        var filled = 0
        while filled < buffer.count {
            let count = pread(
                descriptor,
                buffer.baseAddress?.advanced(by: filled),
                buffer.count - filled,
                off_t(offset) + filled
            )
            if count < 0, errno == EINTR { continue }
            if count <= 0 { break }
            filled += count
        }
        return filled
    }
}

extension [UInt8] {
    /// The little-endian number at `offset`; the caller knows that it lies inside.
    func number<Number: FixedWidthInteger & UnsignedInteger>(
        at offset: Int,
        as type: Number.Type = Number.self
    ) -> Number {
        self[offset..<offset + MemoryLayout<Number>.size].reversed().reduce(0) { $0 << 8 | Number($1) }
    }

    /// The text from `offset` to the next NUL, nil if there is no NUL within `limit` bytes or it isn't UTF-8.
    func text(at offset: Int, limit: Int) -> String? {
        let field = self[offset..<Swift.min(count, offset + limit)]
        guard let end = field.firstIndex(of: 0) else { return nil }
        return String(validating: field[..<end], as: UTF8.self)
    }
}
