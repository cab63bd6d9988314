// SPDX-License-Identifier: Apache-2.0
import NIOCore
import PluginABI

/// `hostd.cache/1` where no server is set up: this worker's own, and gone with it.
///
/// On the loop.
final class MemoryCache: CacheStore {
    private let loop: any EventLoop
    private var table = CacheTable()

    init(loop: any EventLoop) { self.loop = loop }

    func perform(_ request: CacheRequest, key: String, done: @escaping (CacheAnswer) -> Void) {
        let answer = table.perform(request, key: key, nowMs: HostClock.monotonicMs())
        loop.assumeIsolated().execute { done(answer) }
    }

    func shutDown() { table = CacheTable() }
}

/// Values with a time to live; the ones unused for longest go where there are too many.
struct CacheTable {
    private struct Entry {
        var key: String
        var value: [UInt8]
        /// Milliseconds; `.max` = never.
        var expires: Int64
        /// Neighbours in the order of use; -1 = none.
        var newer = -1
        var older = -1

        /// What it takes, with what the table needs besides.
        var size: Int { key.utf8.count + value.count + 128 }
    }

    let maxBytes: Int
    let maxEntries: Int
    private var entries: [Entry] = []
    private var places: [String: Int] = [:]
    private var free: [Int] = []
    private var newest = -1
    private var oldest = -1
    private(set) var bytes = 0
    var count: Int { places.count }

    init(maxBytes: Int = 64 << 20, maxEntries: Int = 100_000) {
        self.maxBytes = maxBytes
        self.maxEntries = maxEntries
    }

    mutating func perform(_ request: CacheRequest, key: String, nowMs: Int64) -> CacheAnswer {
        let place = find(key, nowMs)
        switch request {
        case .get:
            guard let place else { return CacheAnswer(status: HOSTD_E_NOTFOUND) }
            touch(place)
            return CacheAnswer(status: HOSTD_OK, value: entries[place].value)
        case .set(let value, let ttl, let onlyIfAbsent):
            guard !onlyIfAbsent || place == nil else { return CacheAnswer(status: HOSTD_E_STALE) }
            if let place { remove(place) }
            insert(key, value, expires: Self.expiry(ttl, nowMs))
            return CacheAnswer(status: HOSTD_OK)
        case .increment(let delta, let initial, let ttl):
            guard let place else {
                insert(key, Array(String(initial).utf8), expires: Self.expiry(ttl, nowMs))
                return CacheAnswer(status: HOSTD_OK, number: initial)
            }
            guard let old = CacheCounter.parse(entries[place].value) else { return CacheAnswer(status: HOSTD_E_INVAL) }
            let new = CacheCounter.adding(delta, to: old)
            bytes -= entries[place].value.count
            entries[place].value = Array(String(new).utf8)
            bytes += entries[place].value.count
            touch(place)
            return CacheAnswer(status: HOSTD_OK, number: new)
        case .remove:
            guard let place else { return CacheAnswer(status: HOSTD_E_NOTFOUND) }
            remove(place)
            return CacheAnswer(status: HOSTD_OK)
        }
    }

    private static func expiry(_ ttl: UInt32, _ nowMs: Int64) -> Int64 { ttl == 0 ? .max : nowMs + Int64(ttl) * 1000 }

    private mutating func find(_ key: String, _ nowMs: Int64) -> Int? {
        guard let place = places[key] else { return nil }
        guard entries[place].expires > nowMs else {
            remove(place)
            return nil
        }
        return place
    }

    private mutating func insert(_ key: String, _ value: [UInt8], expires: Int64) {
        let entry = Entry(key: key, value: value, expires: expires)
        let place: Int
        if let last = free.popLast() {
            place = last
            entries[place] = entry
        } else {
            place = entries.count
            entries.append(entry)
        }
        places[key] = place
        bytes += entry.size
        link(place)
        while count > maxEntries || bytes > maxBytes, oldest != place { remove(oldest) }
    }

    private mutating func remove(_ place: Int) {
        unlink(place)
        bytes -= entries[place].size
        places[entries[place].key] = nil
        entries[place].value = []
        entries[place].key = ""
        free.append(place)
    }

    private mutating func touch(_ place: Int) {
        guard newest != place else { return }
        unlink(place)
        link(place)
    }

    /// As the newest.
    private mutating func link(_ place: Int) {
        entries[place].older = newest
        entries[place].newer = -1
        if newest >= 0 { entries[newest].newer = place }
        newest = place
        if oldest < 0 { oldest = place }
    }

    private mutating func unlink(_ place: Int) {
        let (newer, older) = (entries[place].newer, entries[place].older)
        if newer >= 0 { entries[newer].older = older } else { newest = older }
        if older >= 0 { entries[older].newer = newer } else { oldest = newer }
    }
}
