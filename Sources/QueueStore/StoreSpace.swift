// SPDX-License-Identifier: Apache-2.0
import GRDBSQLite
import Glibc

/// How big the store is, and what room there is, as measured after the last commit.
package struct StoreSpace: Hashable, Sendable {
    package static let pageBytes: Int64 = 4096

    /// Of the file, once the WAL is in it.
    package var fileBytes: Int64 = 0
    /// Without the file's free pages, which are used again.
    package var usedBytes: Int64 = 0
    /// What the file system has for us; nil: it doesn't say.
    package var diskFree: Int64?

    package init(fileBytes: Int64 = 0, usedBytes: Int64 = 0, diskFree: Int64? = nil) {
        self.fileBytes = fileBytes
        self.usedBytes = usedBytes
        self.diskFree = diskFree
    }

    package var freePages: Int64 { (fileBytes - usedBytes) / Self.pageBytes }

    /// Bytes that the file system of `path` has for an ordinary user.
    package static func free(at path: String) -> Int64? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        return Int64(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize))
    }
}

/// How far the file may grow by a group of writes.
///
/// What only takes in new items stops earlier than what ends old ones, so that deliveries go on when producers can't.
struct PageLimit: Sendable {
    /// Of the disk, kept for what ends deliveries: more than the WAL takes between two checkpoints (16 MiB).
    static let diskReserve: Int64 = 32 << 20
    /// With more than this nothing has to be limited: one group doesn't use it up.
    static let plenty: Int64 = 1 << 30
    /// SQLite's own limit.
    static let none: Int64 = 0xffff_fffe

    /// The seam at which tests make the disk full: pages that the disk has.
    var diskPages: Int64?

    func pages(hasIntake: Bool, fileBytes: Int64, diskFree: Int64?) -> Int64 {
        var limit = diskPages ?? Self.none
        guard hasIntake else { return limit }
        if let diskPages { limit = diskPages - max(8, diskPages / 8) }
        if let diskFree, diskFree < Self.plenty {
            limit = min(limit, (fileBytes + max(0, diskFree - Self.diskReserve)) / StoreSpace.pageBytes)
        }
        return max(1, limit)
    }
}

/// Bytes of the disk that are held back for the day on which somebody else has filled it: given up, outcomes of
/// deliveries can still be written.
///
/// Confined to the store's writing thread.
final class DiskReserve {
    /// As much as the WAL takes before it is used again from its start.
    static let bytes: Int64 = 16 << 20

    /// Set for the store of a daemon, not for every store of a test.
    var isWanted = false
    private let path: String
    private var isHeld = false

    init(path: String) {
        self.path = path
        var status = stat()
        isHeld = stat(path, &status) == 0 && status.st_size >= Self.bytes
    }

    /// Takes it where there is plenty of room, so that it is never what makes room short.
    func hold(diskFree: Int64?) {
        guard !isHeld, let diskFree, diskFree > PageLimit.plenty else { return }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { return }
        isHeld = posix_fallocate(descriptor, 0, off_t(Self.bytes)) == 0
        close(descriptor)
        if !isHeld { unlink(path) }
    }

    /// True where that gave room.
    func release() -> Bool {
        guard isHeld else { return false }
        isHeld = false
        return unlink(path) == 0
    }
}

extension StoreTransaction {
    /// Sets how many pages the file may have; what it has already stays.
    func limit(pages: Int64) throws(QueueStoreError) {
        guard pages != pageLimit else { return }
        try HotStatement("PRAGMA max_page_count = \(pages)", connection).run()
        pageLimit = pages
    }

    func measure(diskFree: Int64?) throws(QueueStoreError) -> StoreSpace {
        let (pages, free) = (try read(countPages), try read(countFreePages))
        return StoreSpace(
            fileBytes: pages * StoreSpace.pageBytes,
            usedBytes: (pages - free) * StoreSpace.pageBytes,
            diskFree: diskFree
        )
    }

    private func read(_ pragma: HotStatement) throws(QueueStoreError) -> Int64 {
        defer { pragma.reset() }
        return try pragma.step() ? pragma.int(0) : 0
    }

    /// Gives up to `pages` free pages at the file's end back to the file system, with the next checkpoint.
    package func reclaim(pages: Int) throws(QueueStoreError) {
        try HotStatement("PRAGMA incremental_vacuum(\(pages))", connection).run()
    }
}
