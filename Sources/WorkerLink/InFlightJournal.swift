// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#endif

/// A worker's note of which deliveries are inside its plugin, in shared memory on a file, so that it is still there after a
/// kill -9 for the broker to read: only those are suspects.
///
/// Written by the worker's loop alone; a slot costs one store. The file, in the machine's byte order (both ends are on one
/// machine), all numbers 64 bits:
///
///     0   magic ("hostdjnl")      1   number of slots      2   the delivery whose handle() runs now, 0 = none
///     3   the newest delivery whose handler was entered, 0 = none
///     4... slots: the `DeliveredItem.id` whose handler was entered and whose outcome isn't known yet, 0 = none
///
/// From its first link on the worker holds a lock on it: a broker that starts sees by that who is still there.
package final class InFlightJournal {
    /// What a dead worker left.
    package struct Contents: Hashable, Sendable {
        /// handle() was running when it died: with a serial plugin nothing else ran.
        package var inside: UInt64?
        /// Handlers were entered and had not finished, `inside` among them.
        package var entered: Set<UInt64>
        /// Deliveries are entered in the order of their ids: those up to this one may have been carried out.
        package var newest: UInt64

        package init(inside: UInt64?, entered: Set<UInt64>, newest: UInt64) {
            self.inside = inside
            self.entered = entered
            self.newest = newest
        }
    }

    package enum Failure: Error, Equatable, CustomStringConvertible {
        case system(path: String, call: String, errno: Int32)
        case notAJournal(path: String)

        package var description: String {
            switch self {
            case .system(let path, let call, let code): "\(path): \(call): \(String(cString: strerror(code)))"
            case .notAJournal(let path): "\(path): not a worker's journal"
            }
        }
    }

    private static let magic: UInt64 = 0x6C6E_6A64_7473_6F68
    private static let headerWords = 4

    package let path: String
    private let file: Int32
    private let words: UnsafeMutablePointer<UInt64>
    private let slotCount: Int
    private var byteCount: Int { (Self.headerWords + slotCount) * 8 }

    /// Makes the file anew.
    ///
    /// `slots`: deliveries that can be inside at once.
    package init(path: String, slots: Int) throws(Failure) {
        self.path = path
        slotCount = slots
        let size = (Self.headerWords + slots) * 8
        unlink(path)
        let file = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw .system(path: path, call: "open", errno: errno) }
        var isKept = false
        defer { if !isKept { close(file) } }
        // Not just ftruncate: on a full disk a store into a hole would be SIGBUS.
        let status = posix_fallocate(file, 0, size)
        guard status == 0 else { throw .system(path: path, call: "posix_fallocate", errno: status) }
        guard let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), memory != MAP_FAILED else {
            throw .system(path: path, call: "mmap", errno: errno)
        }
        isKept = true
        self.file = file
        words = memory.bindMemory(to: UInt64.self, capacity: size / 8)
        words[1] = UInt64(slots)
        words[0] = Self.magic
    }

    deinit {
        munmap(words, byteCount)
        close(file)
    }

    /// The worker has a link, and may hold deliveries until it ends.
    ///
    /// The lock goes with the process. Nobody else locks it for longer than a look takes.
    package func lock() { _ = flock(file, LOCK_SH) }

    /// A handler is about to be entered.
    package func enter(slot: Int, delivery: UInt64) {
        words[3] = max(words[3], delivery)
        if slot < slotCount { words[Self.headerWords + slot] = delivery }
    }

    /// The outcome of a delivery is known.
    ///
    /// A slot that another delivery has taken meanwhile stays.
    package func leave(slot: Int, delivery: UInt64) {
        if slot < slotCount, words[Self.headerWords + slot] == delivery { words[Self.headerWords + slot] = 0 }
    }

    /// handle() runs for this delivery; 0 = for none.
    package func setInside(_ delivery: UInt64) { words[2] = delivery }

    /// The file of a worker that ended in good order.
    package func remove() { unlink(path) }

    /// The names of the journals in a folder whose workers live, and have had a link.
    package static func locked(in folder: String) -> Set<String> {
        guard let entries = opendir(folder) else { return [] }
        defer { closedir(entries) }
        var names: Set<String> = []
        while let entry = readdir(entries) {
            // Unsafe: d_name is a NUL-terminated array inside the entry, which lives until the next readdir.
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasSuffix(".journal"), isLocked("\(folder)/\(name)") { names.insert(name) }
        }
        return names
    }

    private static func isLocked(_ path: String) -> Bool {
        let file = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { return false }
        defer { close(file) }
        return flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK
    }

    /// Reads a journal, of a dead worker or a live one.
    package static func read(_ path: String) throws(Failure) -> Contents {
        let file = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { throw .system(path: path, call: "open", errno: errno) }
        defer { close(file) }
        var words = [UInt64](repeating: 0, count: headerWords)
        guard pread(file, &words, headerWords * 8, 0) == headerWords * 8, words[0] == magic, words[1] <= 1 << 20 else {
            throw .notAJournal(path: path)
        }
        var slots = [UInt64](repeating: 0, count: Int(words[1]))
        guard pread(file, &slots, slots.count * 8, off_t(headerWords * 8)) == slots.count * 8 else {
            throw .notAJournal(path: path)
        }
        return Contents(
            inside: words[2] == 0 ? nil : words[2],
            entered: Set(slots.filter { $0 != 0 }),
            newest: words[3]
        )
    }
}
