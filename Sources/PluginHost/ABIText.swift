// SPDX-License-Identifier: Apache-2.0
import PluginABI

#if canImport(Glibc)
import Glibc
#endif

// Text and structs as they cross the ABI.

extension hostd_str {
    static var empty: hostd_str { hostd_str(ptr: nil, len: 0) }

    /// A copy that is never freed: for what a plugin may keep for ever.
    static func immortal(_ text: String) -> hostd_str {
        let count = text.utf8.count
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(count, 1), alignment: 1)
        copy.copyBytes(from: text.utf8)
        return hostd_str(ptr: UnsafePointer(copy.baseAddress?.assumingMemoryBound(to: CChar.self)), len: count)
    }

    /// What it points to, in the call that it was passed to.
    ///
    /// A NULL pointer is empty, whatever its length says.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: ptr, count: ptr == nil ? 0 : len) }
    var isEmpty: Bool { ptr == nil || len == 0 }
    /// Broken UTF-8 is repaired.
    var text: String { isEmpty ? "" : String(decoding: bytes, as: UTF8.self) }
    var array: [UInt8] { isEmpty ? [] : [UInt8](bytes) }

    func equals(_ other: hostd_str) -> Bool {
        guard len == other.len else { return false }
        return len == 0 || memcmp(ptr, other.ptr, len) == 0
    }

    /// The text, cut to `limit` bytes at a character's border.
    func text(limit: Int) -> String {
        guard bytes.count > limit else { return text }
        var end = limit
        // A continuation byte (10xxxxxx) never starts a character.
        while end > 0, bytes[end] & 0xC0 == 0x80 { end -= 1 }
        return String(decoding: UnsafeRawBufferPointer(rebasing: bytes[..<end]), as: UTF8.self)
    }
}

/// A struct of the ABI that begins with `struct_size`.
protocol SizedStruct {
    init()
    var struct_size: UInt32 { get set }
}

extension hostd_result: SizedStruct {}
extension hostd_item: SizedStruct {}
extension hostd_http_request: SizedStruct {}
extension hostd_recipient: SizedStruct {}
extension hostd_stream_request: SizedStruct {}

extension SizedStruct {
    /// A copy of what the other side filled in; what it doesn't know is zero (HOSTD_HAS).
    ///
    /// nil where it is too small to be one.
    static func read(_ source: UnsafeRawPointer?, atLeast minimum: Int) -> Self? {
        guard let source else { return nil }
        let size = Int(source.load(as: UInt32.self))
        guard size >= minimum else { return nil }
        var value = Self()
        withUnsafeMutableBytes(of: &value) { target in
            target.copyMemory(from: UnsafeRawBufferPointer(start: source, count: min(size, target.count)))
        }
        return value
    }

    /// The end of a field, for `atLeast`.
    static func end<Field>(of field: KeyPath<Self, Field>) -> Int {
        (MemoryLayout<Self>.offset(of: field) ?? 0) + MemoryLayout<Field>.size
    }
}

/// Clocks as the ABI gives them.
enum HostClock {
    /// Nanoseconds since some fixed moment; never goes back.
    static func monotonicNs() -> Int64 { read(CLOCK_MONOTONIC) }
    static func monotonicMs() -> Int64 { monotonicNs() / 1_000_000 }
    static func unixMs() -> Int64 { read(CLOCK_REALTIME) / 1_000_000 }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
