// SPDX-License-Identifier: Apache-2.0

package import PluginABI

// The border's own words: borrowed slices in and out, and statically allocated C strings for the plugin's table.

extension hostd_str {
    /// The bytes, good as long as the slice is.
    package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: ptr, count: ptr == nil ? 0 : len) }

    /// A copy; bytes that aren't UTF-8 are replaced.
    package var string: String { String(decoding: bytes, as: UTF8.self) }

    package init(_ bytes: UnsafeRawBufferPointer) {
        self.init(ptr: bytes.baseAddress?.assumingMemoryBound(to: CChar.self), len: bytes.count)
    }
}

extension String {
    /// Lends the text to the host for one call.
    package func withSlice<Result>(_ body: (hostd_str) -> Result) -> Result {
        var text = self
        return text.withUTF8 { body(hostd_str(UnsafeRawBufferPointer($0))) }
    }
}

extension [UInt8] {
    /// Lends the bytes to the host for one call.
    package func withSlice<Result>(_ body: (hostd_str) -> Result) -> Result {
        withUnsafeBytes { body(hostd_str($0)) }
    }
}

/// Gathers many strings, so that one pointer lends all of them to the host for one call.
package struct Arena {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    package mutating func reserve(_ count: Int) { bytes.reserveCapacity(count) }

    package mutating func add(_ text: String) -> Range<Int> {
        let start = bytes.count
        bytes.append(contentsOf: text.utf8)
        return start..<bytes.count
    }

    package mutating func add(_ other: some Collection<UInt8>) -> Range<Int> {
        let start = bytes.count
        bytes.append(contentsOf: other)
        return start..<bytes.count
    }
}

extension UnsafeRawBufferPointer {
    /// The slice that `Arena.add` gave this range for.
    package func slice(_ range: Range<Int>) -> hostd_str { hostd_str(UnsafeRawBufferPointer(rebasing: self[range])) }
}

/// `sizeof` of an ABI struct, as its `struct_size` wants it.
package func structSize<T>(_ type: T.Type) -> UInt32 { UInt32(MemoryLayout<T>.size) }

/// A NUL-terminated copy that lives for ever, for the plugin's static table.
package func immortalCString(_ text: String) -> UnsafePointer<CChar> {
    let bytes = text.utf8CString
    let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
    for (index, byte) in bytes.enumerated() { copy[index] = byte }
    return UnsafePointer(copy)
}

/// Writes a refusal's text into the host's buffer, cut to fit and NUL-terminated.
func report(_ message: String, to buffer: UnsafeMutablePointer<CChar>?, capacity: Int) {
    guard let buffer, capacity > 0 else { return }
    var count = 0
    for byte in message.utf8.prefix(capacity - 1) {
        buffer[count] = CChar(bitPattern: byte)
        count += 1
    }
    buffer[count] = 0
}

extension Duration {
    /// Whole milliseconds for the ABI: rounded up, so that a short wait isn't taken for none, and never negative.
    package var wholeMilliseconds: UInt32 {
        let (seconds, attoseconds) = components
        guard self > .zero else { return 0 }
        guard seconds < Int64(UInt32.max / 1000) else { return .max }
        return UInt32(seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
