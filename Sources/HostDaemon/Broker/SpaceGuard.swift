// SPDX-License-Identifier: Apache-2.0
import Control
import QueueStore

/// Whether there is room for more items, decided from what the store measured.
///
/// A value without I/O. Producers stop before the disk is full, so that what ends deliveries can still be written.
struct SpaceGuard: Sendable {
    enum Shortage: Hashable, Sendable {
        /// `queue.max_store` is reached; bytes.
        case store(used: Int64, limit: Int64)
        /// The file system has little left; bytes.
        case disk(free: Int64)
    }

    /// What producers have on their way when they are stopped (32 MiB) fits in, and as much again for outcomes.
    static let diskShort: Int64 = 64 << 20
    static let diskAmple: Int64 = 96 << 20

    private(set) var shortage: Shortage?

    /// Short begins at the limit and ends clearly below it, so that producers don't start and stop with every item.
    mutating func look(at space: StoreSpace, maxStore: Int64?) {
        let (wasStore, wasDisk) =
            switch shortage {
            case .store: (true, false)
            case .disk: (false, true)
            case nil: (false, false)
            }
        if let free = space.diskFree, free < (wasDisk ? Self.diskAmple : Self.diskShort) {
            shortage = .disk(free: free)
        } else if let limit = maxStore, space.usedBytes >= (wasStore ? limit - limit / 16 : limit) {
            shortage = .store(used: space.usedBytes, limit: limit)
        } else {
            shortage = nil
        }
    }

    /// For people, with what helps.
    var text: String? {
        switch shortage {
        case .store(let used, let limit):
            "the store has \(Figures.bytes(used)), and queue.max_store is \(Figures.bytes(limit)): producers wait until "
                + "deliveries make room; raise queue.max_store, or drop dead letters"
        case .disk(let free):
            "the disk with state_dir has \(Figures.bytes(free)) left: producers wait until there are "
                + "\(Figures.bytes(Self.diskAmple)); free some space, or drop dead letters"
        case nil: nil
        }
    }
}

/// When the store's free pages go back to the file system: what is a small part of it is left for the next items.
///
/// A value without I/O.
struct ReclaimRule: Sendable {
    /// 1 MiB at a time: some milliseconds.
    static let step = 256
    private static let least: Int64 = 1024

    private(set) var isReclaiming = false

    /// How many pages to give back now; 0: none.
    mutating func pages(_ space: StoreSpace, isShort: Bool) -> Int {
        let free = space.freePages
        let all = space.fileBytes / StoreSpace.pageBytes
        let (begin, end) = isShort ? (Int64(Self.step), 0) : (max(Self.least, all / 8), max(Self.least / 4, all / 32))
        isReclaiming = free >= begin || isReclaiming && free > end
        return isReclaiming ? Int(min(free, Int64(Self.step))) : 0
    }
}
